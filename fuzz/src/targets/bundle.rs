//! Bundles, as far as they are read before anything in them is taken in.

use bindery::disk::files::Mapping;
use bindery::remote::bundle::Bundle;
use bindery::remote::origin::{Origin, Plain};

use crate::Verdict;

/// A bundle: opened, and everything that its header lists handed out.
///
/// # Panics
///
/// If its parts are not in it, or its pack does not end with it: that is a finding.
#[must_use]
pub fn whole(data: &[u8]) -> Verdict {
    let bytes = Mapping::owned(data.to_vec());
    let Ok(bundle) = Bundle::open(bytes, "the bundle".into()) else {
        return Verdict::Refused;
    };
    let header = format!(
        "bindery bundle 1\nrepo {}\nref {}\n",
        bundle.repo(),
        bundle.target()
    );
    assert!(
        data.starts_with(header.as_bytes()),
        "the header is as it is"
    );
    let heads = bundle.heads().expect("because it was opened");
    let mut before = header.len() + heads.len();
    let mut version = 1;
    while let Ok(Some(keyset)) = bundle.keyset(version) {
        before += keyset.len();
        version += 1;
    }
    assert!(version > 1, "it has a keyset");
    let mut pack = Vec::new();
    let wanted = Bundle::pack(&bundle);
    let given = Origin::pack(&bundle, wanted, &mut Plain(&mut pack));
    assert!(
        given.is_ok_and(|from| from == wanted.from),
        "it has the pack that it says"
    );
    assert!(
        data.ends_with(&pack) && before + pack.len() < data.len(),
        "the pack comes last, behind everything else"
    );
    let words = format!("pack {} {} ", wanted.to.size, wanted.to.id);
    let mut places = data.windows(words.len());
    let is_said = places.any(|part| part == words.as_bytes());
    assert!(is_said, "it says where its pack leads");
    Verdict::Accepted
}
