//! The router: from a method and a URL to a route.
//!
//! # Not here
//!
//! What a route is (`server::route`), which there are (`server::route_table`).

use percent_encoding::percent_decode_str;

use super::route::{Given, Query, Route};
use super::route_table::{ROUTES, Row};
use super::template::{PARTS_MAX, matched};
use crate::base::error::check_limit;
use crate::base::{Error, Result};

/// Bytes of a path and its query: a path of a tree of the longest kind, with every byte encoded.
pub const TARGET_BYTES_MAX: usize = 16 * 1024;

/// What a request asks for, and the row of the table that says so.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What.
    pub route: Route,
    /// Its row.
    pub row: &'static Row,
}

/// Why a request asks for nothing that there is.
#[derive(Debug)]
pub enum NoRoute {
    /// There is no such path, or a part of it cannot be what it stands for.
    NotFound,
    /// There is, with other methods: these.
    Method(Vec<&'static str>),
    /// The path or its query makes no sense.
    Wrong(Error),
}

/// Reads what a request asks for.
///
/// # Errors
///
/// [`NoRoute`] says why nothing is asked for.
pub fn parse(method: &str, target: &str) -> Result<Asked, NoRoute> {
    let bytes = target.len() as u64;
    check_limit("a URL, in bytes,", bytes, TARGET_BYTES_MAX as u64).map_err(NoRoute::Wrong)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parts = parts(path)?;
    let query = Query::parse(query).map_err(NoRoute::Wrong)?;
    let mut methods = Vec::new();
    for row in ROUTES {
        let Some(captures) = matched(row.template, &parts) else {
            continue;
        };
        // Whoever may read a thing may also ask about it.
        if row.method == method || (row.method == "GET" && method == "HEAD") {
            let mut given = Given::new(captures, query);
            let route = (row.route)(&mut given).map_err(|error| no_route(row, error))?;
            given.check_empty().map_err(NoRoute::Wrong)?;
            return Ok(Asked { route, row });
        }
        methods.push(row.method);
    }
    if methods.is_empty() {
        return Err(NoRoute::NotFound);
    }
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    Err(NoRoute::Method(methods))
}

/// What stands in a path and cannot be a name of its kind is not there; elsewhere, it is wrong.
fn no_route(row: &Row, error: Error) -> NoRoute {
    match error {
        Error::Name { .. } | Error::Path { .. } if row.is_reading() => NoRoute::NotFound,
        Error::NotFound { .. } => NoRoute::NotFound,
        error => NoRoute::Wrong(error),
    }
}

/// The decoded parts of a path.
fn parts(path: &str) -> Result<Vec<String>, NoRoute> {
    let Some(path) = path.strip_prefix('/') else {
        return Err(NoRoute::NotFound);
    };
    let decode = |part: &str| {
        let decoded = percent_decode_str(part).decode_utf8();
        decoded.map_or(Err(NoRoute::NotFound), |part| Ok(part.into_owned()))
    };
    path.split('/').take(PARTS_MAX + 1).map(decode).collect()
}
