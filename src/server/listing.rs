//! Lists of directories: for people as HTML, for programs as JSON.
//!
//! # Invariants
//!
//! - Names are shown as they are and mean nothing: neither to HTML nor in a URL.
//! - A list has so many entries; the rest is on the next page.

use std::fmt::Write;
use std::sync::Arc;

use axum::http::header::VARY;
use bytes::Bytes;
use serde::Serialize;

use super::answer::{Answer, Keep, set};
use super::blobs::Memory;
use super::content::{Facts, Wish, answer};
use super::modified::Modified;
use super::names::in_url;
use crate::base::Result;
use crate::base::clock::Time;
use crate::base::id::Hash;
use crate::base::name::EntryName;
use crate::base::printable::printable_lines;
use crate::build::reached::Reached;
use crate::object::directory::entries;
use crate::object::entry::{Entry, EntryKind, TreeRef};
use crate::store::view::View;

/// Entries on one page.
pub const LISTED_MAX: usize = 10_000;

/// In which form a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Html,
    /// For programs.
    Json,
}

/// A list of a directory.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    title: String,
    #[serde(skip)]
    has_parent: bool,
    entries: Vec<Line>,
    /// The name after which the next page begins.
    next: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Line {
    name: String,
    kind: &'static str,
    /// What a link leads to; nothing if that is not in the tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    leads_to: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Hash>,
    /// Since when it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<Time>,
}

/// Lists a directory that is shown since a moment, from after a name on. `lead` says what a name in it leads to; it is asked for links, because those who follow a
/// list must know which of them are directories.
///
/// # Errors
///
/// [`Error::Damaged`](crate::base::Error::Damaged) if it cannot be read.
pub fn list(
    view: &View<'_>,
    tree: TreeRef,
    title: String,
    since: Time,
    after: Option<&EntryName>,
    lead: &dyn Fn(&EntryName) -> Result<Reached>,
) -> Result<Listed> {
    let mut lines = Vec::new();
    let mut next = None;
    for entry in entries(view, tree) {
        let entry = entry?;
        if after.is_some_and(|after| entry.name() <= after) {
            continue;
        }
        if lines.len() == LISTED_MAX {
            next = lines.last().map(|line: &Line| line.name.clone());
            break;
        }
        let reached = match entry.kind() {
            EntryKind::Link => Some(lead(entry.name())?),
            _ => None,
        };
        lines.push(line(&entry, reached.as_ref(), since));
    }
    Ok(Listed {
        title,
        has_parent: true,
        entries: lines,
        next,
    })
}

fn line(entry: &Entry, reached: Option<&Reached>, since: Time) -> Line {
    let (leads_to, size) = match reached {
        None => (None, Some(entry.size())),
        Some(Reached::Nothing) => (None, None),
        Some(Reached::Directory(_)) => (Some(word(EntryKind::Directory)), None),
        Some(Reached::File(file)) => (Some(word(file.kind())), Some(file.size())),
    };
    let is_directory = entry.kind() == EntryKind::Directory;
    Line {
        name: entry.name().as_str().to_owned(),
        kind: word(entry.kind()),
        leads_to,
        size: size.filter(|_| !is_directory),
        id: Some(entry.id()),
        date: Some(since),
    }
}

const fn word(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "file",
        EntryKind::Executable => "executable",
        EntryKind::Link => "link",
        EntryKind::Directory => "directory",
    }
}

/// Lists refs, with since when they show what they show, or what they begin with, as directories.
#[must_use]
pub fn list_refs(names: Vec<(String, Option<Time>)>, title: String) -> Listed {
    let lines = names.into_iter().map(|(name, date)| Line {
        name,
        kind: word(EntryKind::Directory),
        leads_to: None,
        size: None,
        id: None,
        date,
    });
    Listed {
        title,
        has_parent: false,
        entries: lines.collect(),
        next: None,
    }
}

impl Listed {
    /// The answer with the list.
    #[must_use]
    pub fn answer(
        &self,
        wish: &Wish,
        form: Form,
        keep: Keep,
        modified: Option<Modified>,
    ) -> Answer {
        let (content_type, text) = match form {
            Form::Html => (HTML_TYPE, self.html()),
            Form::Json => {
                let text = serde_json::to_string(self).unwrap_or_default();
                ("application/json", text)
            }
        };
        let facts = Facts {
            content_type: content_type.into(),
            etag: Hash::of(text.as_bytes()).to_string(),
            modified,
            keep,
        };
        let mut answer = answer(wish, Arc::new(Memory(Bytes::from(text))), &facts);
        set(&mut answer, VARY, "accept");
        answer
    }

    fn html(&self) -> String {
        let mut html = head(&self.title);
        html += "<table>\n<tr><th>name</th><th>size</th><th>date</th></tr>\n";
        if self.has_parent {
            html += "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n";
        }
        for line in &self.entries {
            let is_directory = line.leads_to.unwrap_or(line.kind) == word(EntryKind::Directory);
            let slash = if is_directory { "/" } else { "" };
            let (link, name) = (in_url(&line.name), escaped(&line.name));
            let date = line.date.map_or_else(String::new, |date| date.to_string());
            let size = line.size.map_or_else(String::new, |size| size.to_string());
            // A link that leads nowhere is none. `./` keeps a name with a colon from being taken for a scheme.
            let name = if line.kind == word(EntryKind::Link) && line.leads_to.is_none() {
                name
            } else {
                format!("<a href=\"./{link}{slash}\">{name}{slash}</a>")
            };
            // Writing to a text cannot fail.
            writeln!(
                html,
                "<tr><td>{name}</td><td>{size}</td><td>{date}</td></tr>"
            )
            .ok();
        }
        html += "</table>\n";
        if let Some(next) = &self.next {
            let next = in_url(next);
            writeln!(html, "<p><a href=\"?after={next}\">more</a></p>").ok();
        }
        html + "</body>\n</html>\n"
    }
}

/// How a page begins.
#[must_use]
pub fn head(title: &str) -> String {
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    )
}

/// The type of a page.
pub const HTML_TYPE: &str = "text/html; charset=utf-8";

const STYLE: &str = "body{font-family:sans-serif;margin:2em}th{text-align:left}\
                     td,th{padding:.1em 2em .1em 0}td:nth-child(2){text-align:right}";

/// A text that means nothing to HTML, and turns no order of what is shown.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in printable_lines(text).chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_turns_no_order_of_what_is_shown() {
        assert_eq!(escaped("a\u{1b}[2J\u{202e}<b>\r\nc"), "a [2J &lt;b&gt; \nc");
    }

    #[test]
    fn a_name_means_nothing_to_html_or_in_a_url() {
        let name = "a<script>&\"'?#% b:c";
        let listed = list_refs(vec![(name.into(), None)], "<b>".into());
        let html = listed.html();
        assert!(
            !html.contains("<script>") && !html.contains("<b>"),
            "{html}"
        );
        assert!(
            html.contains("a&lt;script&gt;&amp;&quot;&#39;?#% b:c/"),
            "{html}"
        );
        assert!(
            html.contains("./a%3Cscript%3E%26%22%27%3F%23%25%20b:c/"),
            "{html}"
        );
    }
}
