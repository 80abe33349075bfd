//! What a file looks like: a header, few lines, short functions, whole words, and tests whose names are sentences.
//!
//! # Not here
//!
//! What the compiler and clippy check (`[lints]` in `Cargo.toml`).

use super::source::{Source, closing, is_name};

/// Most lines of a file, its tests included.
const FILE_LINES_MAX: usize = 500;

/// Most lines of a function, from its name to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Fewest words of a test's name.
const TEST_NAME_WORDS_MIN: usize = 3;

/// Complains of files that do not begin by saying what they are for.
pub fn missing_headers(sources: &[Source]) -> Vec<String> {
    let lacks = |source: &&Source| !source.text.starts_with("//! ");
    let complaint = |source: &Source| format!("{} has no header", source.path);
    sources.iter().filter(lacks).map(complaint).collect()
}

/// Complains of files that are too long.
pub fn long_files(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            complaints.push(format!("{} has {lines} lines", source.path));
        }
    }
    complaints
}

/// Complains of functions that are too long.
pub fn long_functions(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        for at in words(&source.code, "fn") {
            let bytes = source.code.as_bytes();
            let Some(body) = body_of(bytes, at) else {
                continue;
            };
            let (first, last) = (source.line_of(at), source.line_of(closing(bytes, body)));
            let lines = last - first + 1;
            if lines > FUNCTION_LINES_MAX {
                complaints.push(format!(
                    "{}:{first} is a function of {lines} lines",
                    source.path
                ));
            }
        }
    }
    complaints
}

/// Complains of public functions with a `bool` among their parameters: at the call nobody can tell what `true` means.
pub fn public_flags(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        for at in words(&source.production, "fn") {
            let line_start = source.production[..at].rfind('\n').map_or(0, |end| end + 1);
            let is_public = source.production[line_start..at]
                .trim_start()
                .starts_with("pub ");
            let Some(open) = source.production[at..].find('(').map(|found| at + found) else {
                continue;
            };
            let parameters = &source.production[open..closing(source.production.as_bytes(), open)];
            if is_public && parameters.contains(": bool") {
                let line = source.line_of(at);
                complaints.push(format!("{}:{line} takes a public bool", source.path));
            }
        }
    }
    complaints
}

/// Complains of signs that something is not finished, and of tests that do not run.
pub fn unfinished(sources: &[Source]) -> Vec<String> {
    // In two halves each, so that this file does not complain of itself.
    let signs: Vec<String> = [
        ("TO", "DO"),
        ("FIX", "ME"),
        ("XX", "X:"),
        ("for ", "now"),
        ("(to be ", "written)"),
        ("#[ig", "nore"),
        ("unimpl", "emented!"),
        (".unw", "rap()"),
        ("/ho", "me/"),
        ("/wo", "rk/"),
    ]
    .map(|(one, two)| format!("{one}{two}"))
    .into();
    let mut complaints = Vec::new();
    for source in sources {
        for (line, text) in (1..).zip(source.text.lines()) {
            if let Some(sign) = signs.iter().find(|sign| text.contains(sign.as_str())) {
                complaints.push(format!("{}:{line} has {sign:?}", source.path));
            }
        }
    }
    complaints
}

/// Complains of tests whose names do not say what is true when they pass.
pub fn short_test_names(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let lines: Vec<&str> = source.code.lines().collect();
        for pair in lines.windows(2) {
            let Some(rest) = pair[1].trim_start().strip_prefix("fn ") else {
                continue;
            };
            let name = rest.split('(').next().unwrap_or_default();
            if pair[0].trim() == "#[test]" && name.split('_').count() < TEST_NAME_WORDS_MIN {
                complaints.push(format!("{} has a test named {name}", source.path));
            }
        }
    }
    complaints
}

/// Where `word` stands as a word of its own.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    code.match_indices(word)
        .map(|found| found.0)
        .filter(move |at| {
            let before = at.checked_sub(1).map(|place| bytes[place]);
            let after = bytes.get(at + word.len()).copied();
            ![before, after].iter().flatten().any(|byte| is_name(*byte))
        })
}

/// Where the body of the function at `at` opens; a function type and a function of a trait without one have none.
fn body_of(bytes: &[u8], at: usize) -> Option<usize> {
    let mut place = at + 2;
    if !bytes[place..].first()?.is_ascii_whitespace() {
        return None;
    }
    while place < bytes.len() {
        match bytes[place] {
            b'(' | b'[' => place = closing(bytes, place) + 1,
            b'{' => return Some(place),
            b';' => return None,
            _ => place += 1,
        }
    }
    None
}

type Rule = fn(&[Source]) -> Vec<String>;

#[test]
fn each_fault_of_shape_is_found() {
    let long = format!("//! A.\nfn f() {{\n{}}}\n", "\n".repeat(FUNCTION_LINES_MAX));
    let longest = format!(
        "//! A.\nfn f() {{\n{}}}\n",
        "\n".repeat(FUNCTION_LINES_MAX - 2)
    );
    let file = "//! A.\n".repeat(FILE_LINES_MAX);
    let rows: [(Rule, &str, usize, &str); 14] = [
        (missing_headers, "use a::b;\n", 1, "no header"),
        (missing_headers, "//! A.\n", 0, "a header"),
        (
            long_files,
            &format!("{file}\n"),
            1,
            "one line past the limit",
        ),
        (long_files, &file, 0, "at the limit"),
        (long_functions, &long, 1, "one line past the limit"),
        (long_functions, &longest, 0, "at the limit"),
        (
            public_flags,
            "pub fn f(a: u8, b: bool) {}",
            1,
            "a public flag",
        ),
        (
            public_flags,
            "fn f(a: bool) {}\npub fn g() -> bool {}",
            0,
            "a private flag, a result",
        ),
        (
            unfinished,
            concat!("// TO", "DO: more"),
            1,
            "a note to oneself",
        ),
        (unfinished, concat!("x.unw", "rap()"), 1, "a hidden panic"),
        (unfinished, "x.unwrap_or(1)", 0, "a default"),
        (
            short_test_names,
            "#[test]\nfn works() {}",
            1,
            "a name that says nothing",
        ),
        (
            short_test_names,
            "#[test]\nfn a_pack_ends_with_its_hash() {}",
            0,
            "a sentence",
        ),
        (short_test_names, "fn helper() {}", 0, "no test"),
    ];
    for (rule, text, expected, reason) in rows {
        assert_eq!(
            rule(&[Source::new("src/a.rs", text)]).len(),
            expected,
            "{reason}"
        );
    }
}
