//! What an operator writes into the settings of a store.

use std::path::Path;

use bindery::store::settings::Settings;
use toml::{Table, Value};

use crate::Verdict;

/// Refs whose policies are asked for.
const REFS: [&str; 2] = ["stable", "app/org.example.Editor/x86_64"];

/// The settings of a store. They have many spellings: written by any other program they must mean the same, and a key
/// that nobody knows must be refused wherever it stands.
///
/// # Panics
///
/// If that is not so: that is a finding.
#[must_use]
pub fn settings(data: &[u8]) -> Verdict {
    let Some(settings) = parse(data) else {
        return Verdict::Refused;
    };
    for name in REFS {
        let policy = name.parse().map(|name| settings.policy(&name));
        assert!(policy.is_ok(), "the names are legal");
    }
    let table = std::str::from_utf8(data).ok();
    let table: Option<Table> = table.and_then(|text| toml::from_str(text).ok());
    let table = table.expect("because settings are TOML");
    assert!(
        parse(&write(&table)).as_ref() == Some(&settings),
        "settings mean the same in any spelling"
    );
    let mut unknown = table.clone();
    unknown.insert("unknown".into(), Value::Boolean(true));
    assert!(parse(&write(&unknown)).is_none(), "an unknown key");
    let mut unknown = table;
    if let Some(Value::Array(policies)) = unknown.get_mut("ref")
        && let Some(Value::Table(policy)) = policies.first_mut()
    {
        policy.insert("unknown".into(), Value::Boolean(true));
        assert!(parse(&write(&unknown)).is_none(), "an unknown key of a ref");
    }
    Verdict::Accepted
}

fn parse(text: &[u8]) -> Option<Settings> {
    Settings::parse(text, Path::new("bindery.toml")).ok()
}

fn write(table: &Table) -> Vec<u8> {
    toml::to_string(table)
        .expect("because it was read from TOML")
        .into_bytes()
}
