//! Pages: what somebody sees who goes to the server, a repo or a build with a browser. For programs the same is JSON.
//!
//! # Invariants
//!
//! - A page shows what the caller may see, and nothing else.
//!
//! # Not here
//!
//! Lists of directories (`server::listing`), the API (`server::api`).

use std::fmt::Write;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::VARY;
use serde::Serialize;

use super::answer::{Answer, Failure, Keep, bytes, json, set};
use super::api::refs::PAGE_REFS_MAX;
use super::app::App;
use super::content::Wish;
use super::context::Context;
use super::files::slash;
use super::listing::{HTML_TYPE, escaped, head};
use super::names::in_url;
use super::ref_names::NO_REF;
use super::route::Base;
use super::shown::{refs_shown, repos_shown};
use super::sight::Sight;
use crate::base::Result;
use crate::base::name::{RefName, RepoName};
use crate::remote::wire::builds::BuildSaid;
use crate::remote::wire::refs::{RefSaid, RepoSaid};
use crate::store::rows::BuildState;

/// A repo, for programs.
#[derive(Serialize)]
struct RepoPage {
    #[serde(flatten)]
    said: RepoSaid,
    /// Those that the caller may see, by name, as many as are on a page.
    shown: Vec<RefSaid>,
    /// The name after which the next page begins, if there is one.
    next: Option<RefName>,
}

/// A page for people.
struct Page {
    html: String,
}

impl Page {
    fn new(title: &str) -> Self {
        Self { html: head(title) }
    }

    fn paragraph(mut self, text: &str) -> Self {
        self.html.extend(["<p>", &escaped(text), "</p>\n"]);
        self
    }

    /// A table of facts, each with a name.
    fn facts(mut self, facts: &[(&str, String)]) -> Self {
        self.html += "<table>\n";
        for (name, value) in facts {
            let value = escaped(value);
            // Writing to a text cannot fail.
            writeln!(self.html, "<tr><th>{name}</th><td>{value}</td></tr>").ok();
        }
        self.html += "</table>\n";
        self
    }

    /// A list of links, each with what is said of it. The parts of a path are names, and mean nothing else.
    fn links(mut self, links: &[(String, String, String)]) -> Self {
        self.html += "<ul>\n";
        for (path, text, more) in links {
            let parts: Vec<String> = path.split('/').map(in_url).collect();
            let (path, text, more) = (parts.join("/"), escaped(text), escaped(more));
            writeln!(self.html, "<li><a href=\"./{path}\">{text}</a> {more}</li>").ok();
        }
        self.html += "</ul>\n";
        self
    }

    /// A link to the next page of a list, if there is one.
    fn more(mut self, next: Option<&RefName>) -> Self {
        if let Some(next) = next {
            let next = in_url(next.as_str());
            writeln!(self.html, "<p><a href=\"?after={next}\">more</a></p>").ok();
        }
        self
    }

    fn answer(self) -> Answer {
        let html = self.html + "</body>\n</html>\n";
        bytes(StatusCode::OK, HTML_TYPE, Keep::Never, html.into())
    }
}

/// The answer for programs or for people, as is wished.
fn either(
    wish: &Wish,
    document: &impl Serialize,
    page: impl FnOnce() -> Page,
) -> Result<Answer, Failure> {
    let mut answer = if wish.wants_json() {
        json(StatusCode::OK, document)?
    } else {
        page().answer()
    };
    set(&mut answer, VARY, "accept");
    Ok(answer)
}

/// Leads to the page with a slash at its end, if there is one.
///
/// # Errors
///
/// [`Error::NotFound`](crate::base::Error::NotFound) if there is no such repo or build.
pub async fn with_slash(app: &Arc<App>, base: Base) -> Result<Answer, Failure> {
    let name = match &base {
        Base::Repo(repo) => repo
            .as_str()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned(),
        Base::Build(build) => build.to_string(),
    };
    app.work(move |app| Sight::of(&app.store, &base)).await?;
    Ok(slash(&name))
}

/// Shows the server.
///
/// # Errors
///
/// What the store answers; so for the others.
pub async fn start(app: &Arc<App>, context: &Context) -> Result<Answer, Failure> {
    let caller = context.caller.clone();
    let repos = app.work(move |app| repos_shown(app, &caller)).await?;
    either(&context.wish, &repos, || {
        let page = Page::new("Bindery");
        let page = match repos.repos.len() {
            0 => page.paragraph(
                "There is nothing here that can be seen without a token, or with this one.",
            ),
            _ => page.paragraph("The repos that can be seen:"),
        };
        let link = |repo: &RepoSaid| {
            let more = format!("{} refs", repo.refs);
            (format!("r/{}/", repo.repo), repo.repo.to_string(), more)
        };
        let links: Vec<_> = repos.repos.iter().map(link).collect();
        let api = (
            "api/v1/openapi.json".into(),
            "The API".into(),
            String::new(),
        );
        page.links(&links).links(&[api])
    })
}

/// Shows a repo, with the refs whose names come after one, or a build.
///
/// # Errors
///
/// As [`start`].
pub async fn page(
    app: &Arc<App>,
    context: &Context,
    base: Base,
    after: Option<RefName>,
) -> Result<Answer, Failure> {
    match base {
        Base::Repo(repo) => of_repo(app, context, repo, after).await,
        Base::Build(build) => of_build(app, context, build).await,
    }
}

async fn of_repo(
    app: &Arc<App>,
    context: &Context,
    repo: RepoName,
    after: Option<RefName>,
) -> Result<Answer, Failure> {
    let caller = context.caller.clone();
    let said = app.work(move |app| {
        let row = app.store.reader()?.repo(&repo)?;
        let mut refs = refs_shown(app, &caller, &row)?;
        let said = RepoSaid::with_refs(row, refs.len() as u64);
        if let Some(after) = after {
            refs.retain(|shown| shown.name.as_str() > after.as_str());
        }
        let is_last = refs.len() <= PAGE_REFS_MAX;
        refs.truncate(PAGE_REFS_MAX);
        let last = refs.last().filter(|_| !is_last);
        let next = last.map(|last| last.name.clone());
        let shown = refs.into_iter().map(RefSaid::from).collect();
        Ok(RepoPage { said, shown, next })
    });
    let repo = said.await?;
    either(&context.wish, &repo, || {
        let released = repo.shown.iter().filter_map(|shown| {
            let (seq, time) = (shown.seq?, shown.time?);
            let (name, more) = (shown.name.to_string(), format!("release {seq} of {time}"));
            Some((format!("files/{name}/"), name, more))
        });
        let released: Vec<_> = released.collect();
        let pin = (
            "pin".into(),
            "The pin file".into(),
            "for the first pull".into(),
        );
        Page::new(repo.said.repo.as_str())
            .facts(&[
                ("repo id", repo.said.repo_id.to_string()),
                ("made", repo.said.created.to_string()),
            ])
            .links(&released)
            .more(repo.next.as_ref())
            .links(&[pin])
    })
}

async fn of_build(app: &Arc<App>, context: &Context, build: u64) -> Result<Answer, Failure> {
    let said = BuildSaid::from(app.build(build).await?);
    either(&context.wish, &said, || {
        let target = said.target.as_ref().map(ToString::to_string);
        let mut facts = vec![("repo", said.repo.to_string())];
        facts.extend(target.clone().map(|target| ("ref", target)));
        facts.push(("state", said.state.to_string()));
        facts.push(("created", said.created.to_string()));
        let mut links = Vec::new();
        if let Some(committed) = &said.committed {
            facts.push(("snapshot", committed.snapshot.id.to_string()));
            facts.push(("committed", committed.time.to_string()));
            let below = target.unwrap_or_else(|| NO_REF.to_owned());
            let more = format!("{} of them, {} bytes", committed.files, committed.bytes);
            if said.state != BuildState::Purged {
                links.push((format!("files/{below}/"), "Files".into(), more));
            }
        }
        let page = Page::new(&format!("build {build}")).facts(&facts);
        match &said.published {
            Some(published) => {
                let words = format!("It is in {}@{}.", published.target, published.seq);
                page.paragraph(&words).links(&links)
            }
            None => page.links(&links),
        }
    })
}
