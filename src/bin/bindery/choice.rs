//! Choices: values of an option that may be said several times, or `*` for everything.

use std::str::FromStr;

use bindery::base::{Error, Result};
use bindery::trust::token::scope::{EVERYTHING, Scope};

/// One thing, or `*` for everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice<T> {
    /// Everything.
    Everything,
    /// This.
    One(T),
}

impl<T: FromStr> FromStr for Choice<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text == EVERYTHING {
            Ok(Self::Everything)
        } else {
            text.parse().map(Self::One)
        }
    }
}

/// The scope that the values of an option name; `None` if it was not given.
///
/// # Errors
///
/// [`Error::Usage`] if `*` stands beside others.
pub fn scope<T: Ord + Clone>(option: &str, choices: &[Choice<T>]) -> Result<Option<Scope<T>>> {
    let is_everything = |choice: &Choice<T>| matches!(choice, Choice::Everything);
    if choices.iter().all(is_everything) {
        return Ok((!choices.is_empty()).then(Scope::everything));
    }
    let things = choices.iter().map(|choice| match choice {
        Choice::Everything => Err(Error::usage(format!(
            "{option} '*' is everything: leave the others out, or '*'"
        ))),
        Choice::One(thing) => Ok(thing.clone()),
    });
    Ok(Scope::some(things.collect::<Result<Vec<T>>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_stands_alone() {
        let read = |values: &[&str]| {
            let choices: Option<Vec<Choice<u64>>> =
                values.iter().map(|value| value.parse().ok()).collect();
            scope("--build", &choices?).ok()
        };
        assert_eq!(read(&[]), Some(None));
        assert_eq!(read(&["*"]), Some(Some(Scope::everything())));
        assert_eq!(read(&["2", "1", "2"]), Some(Scope::some([1, 2])));
        assert_eq!(read(&["1", "*"]), None);
        assert_eq!(read(&["x"]), None);
    }
}
