//! Lean: a store holds what its refs show, and nothing else.

use std::collections::HashSet;

use bindery::object::edges::edges_of;
use bindery::object::kind::ObjectKind;
use bindery::store::Store;

use super::Outcome;

/// Checks that a store without unpublished builds holds what its refs show, and little that is dead.
pub fn check_lean(store: &Store) -> Outcome {
    let mut objects = 0;
    for repo in store.reader()?.repos()? {
        let view = store.view(&repo.name, &[])?;
        let reader = store.reader()?;
        let mut waiting = Vec::new();
        for row in reader.refs(&repo)? {
            for release in reader.releases(&repo, &row.name)? {
                if !release.retired {
                    let imports = release.imports.iter().map(|import| import.snapshot);
                    let roots = imports.chain([release.snapshot]);
                    waiting.extend(roots.map(|root| (ObjectKind::Snapshot, root.id.hash())));
                }
            }
        }
        let mut needed = HashSet::new();
        while let Some((kind, id)) = waiting.pop() {
            if needed.insert((kind, id)) {
                let bytes = view.read(kind, id)?;
                let edges = edges_of(kind, bytes.as_slice()?)?;
                waiting.extend(edges.iter().map(|edge| (edge.kind, edge.id)));
            }
        }
        objects += needed.len() as u64;
    }
    let totals = store.reader()?.totals()?;
    if totals.objects != objects {
        return Err(format!("{} objects are there, {objects} needed", totals.objects).into());
    }
    if totals.live_bytes * 2 < totals.logical_bytes {
        return Err(format!("more than half is dead: {totals:?}").into());
    }
    Ok(())
}
