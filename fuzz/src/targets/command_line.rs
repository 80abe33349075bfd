//! What people type after the program's name. The program is no library, so its files are taken in here.

use bindery::base::duration::{parse_duration, write_duration};
use bindery::object::label::Labels;

use self::values::{BuildId, Label};
use crate::Verdict;

#[path = "../../../src/bin/bindery/values.rs"]
mod values;

/// The id of a build. It has several spellings, which must mean the same.
///
/// # Panics
///
/// If they do not: that is a finding.
#[must_use]
pub fn build_id(data: &[u8]) -> Verdict {
    Verdict::of_meaning(data, str::parse::<BuildId>, |id| format!("build:{}", id.0))
}

/// A duration. It has several spellings, which must mean the same.
#[must_use]
pub fn duration(data: &[u8]) -> Verdict {
    let spell = |duration: &std::time::Duration| write_duration(duration.as_secs());
    Verdict::of_meaning(data, parse_duration, spell)
}

/// A label, as it is typed, and as a label of a build.
///
/// # Panics
///
/// If the label is another than was typed: that is a finding.
#[must_use]
pub fn label(data: &[u8]) -> Verdict {
    let typed = std::str::from_utf8(data).ok().map(str::parse::<Label>);
    if let Some(Ok(label)) = typed {
        let mut labels = Labels::default();
        if labels.insert(&label.key, &label.value).is_ok() {
            let value = Some(label.value.as_str());
            assert!(
                labels.value(&label.key) == value,
                "a label is kept as it is"
            );
        }
    }
    Verdict::of_text(data, str::parse::<Label>, |label| {
        format!("{}={}", label.key, label.value)
    })
}
