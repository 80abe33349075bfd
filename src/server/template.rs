//! Templates of paths, such as `/r/{repo}/objects/{id}`.
//!
//! A name in braces stands for one part of a path between slashes; one that ends in `+`, as `{repo+}`, for one part or
//! several, as few as will do. So `/r/a/b/files/files/x` is the file `files/x` of the repo `a/b`.
//!
//! # Not here
//!
//! Which templates there are (`server::route_table`).

/// Parts between slashes that a path may have: a repo, a ref and a path of the longest kind, and some words.
pub const PARTS_MAX: usize = 1024;

/// The parts of a path for which the names of a template stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures(Vec<(&'static str, String)>);

impl Captures {
    /// What a name stands for; nothing, if the template has no such name.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        let mut captures = self.0.iter();
        let found = captures.find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// Matches the decoded parts of a path against a template.
#[must_use]
pub fn matched(template: &'static str, parts: &[String]) -> Option<Captures> {
    if parts.len() > PARTS_MAX {
        return None;
    }
    let template: Vec<&'static str> = template.split('/').skip(1).collect();
    let mut captures = Vec::new();
    rest(&template, parts, &mut captures).then_some(Captures(captures))
}

/// What a part of a template stands for.
enum Part {
    Word(&'static str),
    One(&'static str),
    Several(&'static str),
}

fn part(text: &'static str) -> Part {
    let name = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    match name {
        None => Part::Word(text),
        Some(name) => name
            .strip_suffix('+')
            .map_or(Part::One(name), Part::Several),
    }
}

/// Matches the rest of a path. A template has at most three names that stand for several parts, and the words between them
/// end the search at their first match, so this is fast for any path.
fn rest(
    template: &[&'static str],
    parts: &[String],
    captures: &mut Vec<(&'static str, String)>,
) -> bool {
    let Some((first, template)) = template.split_first() else {
        return parts.is_empty();
    };
    match part(first) {
        Part::Word(word) => match parts.split_first() {
            Some((head, parts)) if head == word => rest(template, parts, captures),
            _ => false,
        },
        Part::One(name) => match parts.split_first() {
            Some((head, parts)) => {
                captures.push((name, head.clone()));
                rest(template, parts, captures)
            }
            None => false,
        },
        Part::Several(name) => {
            let length = match template.first() {
                // The last name takes all there is; a path may end in a slash, which says that a directory is meant.
                None => parts.len(),
                Some(_) => (1..parts.len())
                    .find(|length| starts(template, &parts[*length..]))
                    .unwrap_or(0),
            };
            if length == 0 {
                return false;
            }
            captures.push((name, parts[..length].join("/")));
            rest(template, &parts[length..], captures)
        }
    }
}

/// Whether the words at the beginning of a template, as many as follow each other, are those of `parts`, and the template
/// ends where the parts do if it has only words left.
fn starts(template: &[&'static str], parts: &[String]) -> bool {
    let words = template.iter().map_while(|text| match part(text) {
        Part::Word(word) => Some(word),
        Part::One(_) | Part::Several(_) => None,
    });
    let mut count = 0;
    let same = words.zip(parts).all(|(word, part)| {
        count += 1;
        word == part
    });
    same && count > 0 && (count < template.len() || parts.len() == count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures(template: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
        let parts: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        matched(template, &parts).map(|captures| captures.0)
    }

    #[test]
    fn a_name_stands_for_one_part_or_for_as_few_as_will_do() {
        let files = "/r/{repo+}/files/{path+}";
        for (template, path, expected) in [
            ("/healthz", "/healthz", Some(vec![])),
            ("/healthz", "/healthz/", None),
            ("/b/{build}/pin", "/b/17/pin", Some(vec![("build", "17")])),
            ("/b/{build}/pin", "/b/1/7/pin", None),
            (
                files,
                "/r/a/b/files/files/x",
                Some(vec![("repo", "a/b"), ("path", "files/x")]),
            ),
            (
                files,
                "/r/a/files/",
                Some(vec![("repo", "a"), ("path", "")]),
            ),
            (
                files,
                "/r/files/files/x",
                Some(vec![("repo", "files"), ("path", "x")]),
            ),
            (files, "/r/a/files", None),
            (files, "/r/files/x", None),
            (
                "/p/{repo+}/refs/{ref+}/hold",
                "/p/a/refs/app/x/hold",
                Some(vec![("repo", "a"), ("ref", "app/x")]),
            ),
            (
                "/p/{repo+}/refs/{ref+}/hold",
                "/p/a/refs/hold/hold",
                Some(vec![("repo", "a"), ("ref", "hold")]),
            ),
            ("/p/{repo+}/refs/{ref+}/hold", "/p/a/refs/x/hold/y", None),
            (
                "/p/{repo+}/refs",
                "/p/refs/refs",
                Some(vec![("repo", "refs")]),
            ),
        ] {
            let expected = expected.map(|captures| {
                let captures = captures.into_iter();
                captures
                    .map(|(name, value)| (name, value.to_owned()))
                    .collect()
            });
            assert_eq!(captures(template, path), expected, "{template} {path}");
        }
    }

    #[test]
    fn a_path_of_endless_parts_matches_nothing() {
        let path = "/r".to_owned() + &"/files".repeat(PARTS_MAX + 1);
        assert_eq!(captures("/r/{repo+}/files/{path+}", &path), None);
    }
}
