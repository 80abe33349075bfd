//! A Rust file as the rules see it: its text, its code without comments and literals, and that code without its tests.
//!
//! # Invariants
//!
//! - All three have the same lines, so a line number means the same in each.
//!
//! # Not here
//!
//! The rules (`floors`, `shape`, `project`). This is no parser of Rust: it knows just enough to find paths and items.

use std::path::Path;

use crate::tidy::Outcome;

/// Deepest folder below the root in which files are looked for.
const FOLDER_DEPTH_MAX: usize = 8;

/// A Rust file.
pub struct Source {
    /// Where it lies below the root of the project, with `/` between names.
    pub path: String,
    /// Every byte of it.
    pub text: String,
    /// The text; comments and the insides of literals are spaces.
    pub code: String,
    /// The code; items under `#[cfg(test)]` are spaces.
    pub production: String,
    /// The modules that it declares only for tests in files of their own.
    pub test_modules: Vec<String>,
}

impl Source {
    /// Makes a source of a text, real or made up.
    pub fn new(path: &str, text: &str) -> Self {
        let code = blank_comments_and_literals(text);
        let (production, test_modules) = blank_tests(&code);
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            production,
            test_modules,
        }
    }

    /// The folder that its child modules lie in, without a slash at the end.
    pub fn children(&self) -> &str {
        let stem = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        ["/mod", "/lib", "/main"]
            .iter()
            .find_map(|name| stem.strip_suffix(name))
            .unwrap_or(stem)
    }

    /// The line, counted from 1, that byte `at` lies on.
    pub fn line_of(&self, at: usize) -> usize {
        1 + self.code[..at].matches('\n').count()
    }

    /// The paths that code outside tests names, such as `std::fs::File`, with groups in braces written out.
    pub fn paths(&self) -> Vec<Vec<String>> {
        let bytes = self.production.as_bytes();
        let (mut paths, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let starts = is_name(bytes[at])
                && (at == 0 || !(is_name(bytes[at - 1]) || b":.'".contains(&bytes[at - 1])));
            if starts {
                at = read_path(bytes, at, &[], &mut paths);
            } else {
                at += 1;
            }
        }
        paths.retain(|path| path.len() > 1);
        paths
    }
}

/// Reads every Rust file under `folders` of the project at `root`, in the order of their paths.
pub fn read_sources(root: &Path, folders: &[&str]) -> Outcome<Vec<Source>> {
    let mut sources = Vec::new();
    for folder in folders {
        read_folder(root, folder, FOLDER_DEPTH_MAX, &mut sources)?;
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(sources)
}

fn read_folder(
    root: &Path,
    folder: &str,
    depth_left: usize,
    sources: &mut Vec<Source>,
) -> Outcome<()> {
    if depth_left == 0 {
        return Err(format!("{folder} is too deep").into());
    }
    for entry in std::fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = format!("{folder}/{}", entry.file_name().display());
        if entry.file_type()?.is_dir() && entry.file_name() != "target" {
            read_folder(root, &path, depth_left - 1, sources)?;
        } else if entry.path().extension().is_some_and(|end| end == "rs") {
            sources.push(Source::new(&path, &std::fs::read_to_string(entry.path())?));
        }
    }
    Ok(())
}

/// Whether `byte` may stand in a name.
pub fn is_name(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

/// Where the bracket that opens at `at` is closed.
pub fn closing(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0_usize;
    for (place, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return place;
        }
    }
    bytes.len()
}

fn skip_spaces(bytes: &[u8], at: usize) -> usize {
    let spaces = bytes[at..].iter().take_while(|b| b.is_ascii_whitespace());
    at + spaces.count()
}

/// Reads the path at `at`, which follows `prefix`, and returns where it ends.
fn read_path(bytes: &[u8], at: usize, prefix: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let (mut path, mut at) = (prefix.to_vec(), at);
    loop {
        let name: Vec<u8> = bytes[at..]
            .iter()
            .copied()
            .take_while(|b| is_name(*b))
            .collect();
        if bytes.get(at) == Some(&b'{') {
            let end = closing(bytes, at);
            at += 1;
            while at < end {
                at = skip_spaces(bytes, at);
                if at < end && (is_name(bytes[at]) || bytes[at] == b'{') {
                    at = read_path(bytes, at, &path, paths);
                }
                // What is left of the item is its comma, or `as` and another name.
                at += bytes[at..end].iter().take_while(|b| **b != b',').count() + 1;
            }
            return end + 1;
        }
        if name.is_empty() {
            break;
        }
        at += name.len();
        path.push(String::from_utf8_lossy(&name).into_owned());
        if !bytes[at..].starts_with(b"::") {
            break;
        }
        at += 2;
    }
    paths.push(path);
    at
}

fn blank_comments_and_literals(text: &str) -> String {
    let mut code = text.as_bytes().to_vec();
    let mut at = 0;
    while at < code.len() {
        if let Some(end) = literal_or_comment_end(text.as_bytes(), at) {
            blank(&mut code[at..end]);
            at = end;
        } else {
            at += 1;
        }
    }
    String::from_utf8_lossy(&code).into_owned()
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

/// Where the comment, string or character that starts at `at` ends, if one does.
fn literal_or_comment_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let find = |what: &[u8], from: usize| {
        let found = rest[from..].windows(what.len()).position(|w| w == what);
        found.map_or(bytes.len(), |place| at + from + place + what.len())
    };
    if rest.starts_with(b"//") {
        let end = rest.iter().position(|byte| *byte == b'\n');
        return Some(at + end.unwrap_or(rest.len()));
    }
    if rest.starts_with(b"/*") {
        return Some(find(b"*/", 2));
    }
    match rest[0] {
        b'"' => Some(quoted_end(bytes, at, b'"')),
        b'r' if at == 0 || !is_name(bytes[at - 1]) || bytes[at - 1] == b'b' => {
            let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
            let mut end = vec![b'"'];
            end.resize(1 + hashes, b'#');
            (rest.get(1 + hashes) == Some(&b'"')).then(|| find(&end, 2 + hashes))
        }
        b'\'' if rest.get(1) == Some(&b'\\') => Some(quoted_end(bytes, at, b'\'')),
        b'\'' => {
            let text = std::str::from_utf8(rest.get(1..)?).ok()?;
            let length = text.chars().next()?.len_utf8();
            (rest.get(1 + length) == Some(&b'\'')).then_some(at + length + 2)
        }
        _ => None,
    }
}

fn quoted_end(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut place = at + 1;
    while place < bytes.len() && bytes[place] != quote {
        place += if bytes[place] == b'\\' { 2 } else { 1 };
    }
    (place + 1).min(bytes.len())
}

/// Blanks the items under `#[cfg(test)]`, and collects the names of those that are modules in other files.
fn blank_tests(code: &str) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let mut production = code.as_bytes().to_vec();
    let (mut modules, mut from) = (Vec::new(), 0);
    while let Some(found) = code[from..].find(MARK) {
        let start = from + found;
        let mut end = start + MARK.len();
        while end < production.len() && production[end] != b';' {
            match production[end] {
                b'{' => {
                    end = closing(&production, end);
                    break;
                }
                b'(' | b'[' => end = closing(&production, end) + 1,
                _ => end += 1,
            }
        }
        end = (end + 1).min(production.len());
        let item = code[start + MARK.len()..end].trim();
        if let Some(name) = item
            .strip_suffix(';')
            .and_then(|item| item.split("mod ").nth(1))
        {
            modules.push(name.to_owned());
        }
        blank(&mut production[start..end]);
        from = end;
    }
    (String::from_utf8_lossy(&production).into_owned(), modules)
}

#[test]
fn comments_literals_and_tests_are_no_code() {
    for (text, expected, reason) in [
        ("a // std::fs\nb", "a           \nb", "a comment"),
        ("a /* \n */ b", "a    \n    b", "a comment of two lines"),
        ("f(\"\\\"x\", y)", "f(     , y)", "a string with a quote"),
        ("f(r#\"\"x\"#, y)", "f(       , y)", "a raw string"),
        (
            "'{' 'a: &'a b",
            "    'a: &'a b",
            "a character, not a lifetime",
        ),
        ("'\\'' '\u{e9}' c", "          c", "odd characters"),
    ] {
        assert_eq!(
            Source::new("a.rs", text).code.trim_end(),
            expected.trim_end(),
            "{reason}"
        );
    }
    let source = Source::new(
        "a.rs",
        "a\n#[cfg(test)]\nmod t;\nb\n#[cfg(test)]\nfn x([u8; 2]) { { } }\nc",
    );
    let left: Vec<&str> = source.production.split_whitespace().collect();
    assert_eq!(left, ["a", "b", "c"]);
    assert_eq!(source.test_modules, ["t"]);
}

#[test]
fn groups_of_imports_are_written_out() {
    let text = "use std::{fs::{self, File as F}, io};\nlet x = super::a::B::new(c::d, y.e);";
    let paths: Vec<String> = Source::new("a.rs", text)
        .paths()
        .iter()
        .map(|path| path.join("::"))
        .collect();
    assert_eq!(
        paths,
        [
            "std::fs::self",
            "std::fs::File",
            "std::io",
            "super::a::B::new",
            "c::d"
        ]
    );
}
