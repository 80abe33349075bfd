//! Tokens as passwords: some clients can send nothing else (RFC 7617).

use base64ct::{Base64, Encoding};

/// The password in the value of a header `Authorization: Basic`, after that word. Who the user is does not matter.
#[must_use]
pub fn password_of(credentials: &str) -> Option<String> {
    let bytes = Base64::decode_vec(credentials).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.split_once(':')
        .map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_may_have_colons_and_a_user_may_not() {
        for (credentials, password) in [
            ("dXNlcjpwYXNz", Some("pass")),
            ("OnBhc3M=", Some("pass")),
            ("dXNlcjpwOmE6cw==", Some("p:a:s")),
            ("dXNlcg==", None),
            ("!", None),
        ] {
            assert_eq!(
                password_of(credentials).as_deref(),
                password,
                "{credentials}"
            );
        }
    }
}
