//! Being overtaken: what a plan was made from is gone, because others published and retired meanwhile.
//!
//! # Not here
//!
//! Checking at the moment of change that nobody was faster (`store::releases`, `store::builds`).

use crate::base::Error;
use crate::base::name::RefName;

/// What to say when an object that a ref showed a moment ago is not there: that trying again will do.
pub(super) fn overtaken(error: Error, target: Option<&RefName>) -> Error {
    match error {
        Error::NotFound {
            what: "snapshot" | "tree" | "blob" | "recipe",
            ..
        } => {
            let target = target.map_or("what is published", RefName::as_str);
            Error::refused(format!("{target} has moved meanwhile; try again"))
        }
        other => other,
    }
}
