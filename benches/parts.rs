//! The hot parts, one by one. Each bench says what a user would notice if it became slower.
//!
//! # Not here
//!
//! The verbs end to end (`benches/verbs.rs`); how figures are taken and kept (`docs/performance.md`).

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::sync::Arc;

use bindery::base::Error;
use bindery::base::id::{Hash, Hasher, TreeId};
use bindery::base::name::EntryName;
use bindery::object::cursor::TreeSource;
use bindery::object::edit::{Child, Edit, TreeSink, Written, update};
use bindery::object::entry::{Entry, EntryKind, TreeRef};
use bindery::object::frame::{FRAME_BYTES_TARGET, Frame};
use bindery::object::frame_builder::FrameBuilder;
use bindery::object::kind::ObjectKind;
use bindery::object::pack_reader::PackReader;
use bindery::object::pack_writer::PackWriter;
use bindery::object::patch::{Effort, Method, Pair, apply, encode};
use bindery::object::tree::Node;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

mod common;

use self::common::Outcome;
use self::common::program::program;
use self::common::stock::Stock;
use self::common::text::{Random, text};

/// Names in the wide directory, as in performance.md.
const WIDE_NAMES: u64 = 200_000;

/// Functions of the program that is patched: 8 MB.
const PATCHED_FUNCTIONS: u64 = 60_000;

/// Objects in the pack that is searched: a full pack of a source tree.
const PACK_OBJECTS: u64 = 20_000;

/// Bytes of the file that is patched: its index leaves the caches, as those of real files do.
const PATCHED_BYTES: usize = 8 << 20;

/// Objects that are published where objects are looked for, and where builds are published.
const PUBLISHED_OBJECTS: u64 = 20_000;

/// Files of the builds that are published: a small change, and one where every file counts.
const CHANGED_FILES: [u64; 2] = [10, 1_000];

/// Nodes by id.
#[derive(Default)]
struct Nodes(RefCell<HashMap<TreeId, Arc<Node>>>);

impl TreeSource for Nodes {
    fn node(&self, tree: TreeRef) -> bindery::base::Result<Arc<Node>> {
        let node = self.0.borrow().get(&tree.id).cloned();
        node.ok_or_else(|| Error::not_found("tree", tree.id))
    }
}

impl TreeSink for &Nodes {
    fn put(&mut self, tree: TreeRef, _: Vec<u8>, node: Node) -> bindery::base::Result<()> {
        self.0.borrow_mut().insert(tree.id, Arc::new(node));
        Ok(())
    }
}

fn file(number: u64, content: &str) -> Outcome<Child> {
    let name: EntryName = format!("package-{number:06}.deb").parse()?;
    let id = Hash::of(content.as_bytes());
    Ok(Child::file(Entry::new(
        EntryKind::File,
        content.len() as u64,
        id,
        name,
    )?)?)
}

fn directory(nodes: &Nodes, files: u64) -> Outcome<Written> {
    let mut edits = BTreeMap::new();
    for number in 0..files {
        let child = file(number, &number.to_string())?;
        edits.insert(child.entry().name().clone(), Edit::Put(child));
    }
    (&mut &*nodes).put(
        TreeRef::empty(),
        Vec::new(),
        Node::decode(bindery::object::entry::EMPTY_TREE)?,
    )?;
    Ok(update(nodes, &mut &*nodes, TreeRef::empty(), edits)?)
}

/// Slower: everything that reads files. Small files are hashed by the thousand, large ones on all cores.
fn hashing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hash");
    for (name, bytes) in [("4 KiB", 4 << 10), ("1 MiB", 1 << 20)] {
        let text = text(&mut Random::new(0), bytes);
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(name, |bencher| bencher.iter(|| Hash::of(black_box(&text))));
    }
    let large = text(&mut Random::new(1), 16 << 20);
    group.throughput(Throughput::Bytes(large.len() as u64));
    group.bench_function("16 MiB on all cores", |bencher| {
        bencher.iter(|| {
            let mut hasher = Hasher::new();
            hasher.update_parallel(black_box(&large));
            hasher.hash()
        });
    });
    group.finish();
}

/// Slower to seal: staging new files. Slower to decode: checkouts, `cat` and `verify`.
fn framing(criterion: &mut Criterion) -> Outcome {
    let text = text(&mut Random::new(0), FRAME_BYTES_TARGET - (16 << 10));
    let build = || -> bindery::base::Result<FrameBuilder> {
        let mut builder = FrameBuilder::new();
        for part in text.chunks(16 << 10) {
            builder.push(ObjectKind::Blob, Hash::of(part), part)?;
        }
        Ok(builder)
    };
    let sealed = build()?.seal()?;
    let mut group = criterion.benchmark_group("frame");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("seal", |bencher| {
        bencher.iter_batched(
            build,
            |builder| builder.and_then(FrameBuilder::seal),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| Frame::decode(black_box(sealed.stored())).map(Frame::into_owned));
    });
    group.finish();
    Ok(())
}

/// Slower: every walk through a snapshot, so `ls -r`, `diff`, merging, checking out and verifying.
fn trees(criterion: &mut Criterion) -> Outcome {
    let nodes = Nodes::default();
    let tree = directory(&nodes, 500)?.tree;
    let node = nodes.node(tree)?;
    let bytes = node.encode();
    let mut group = criterion.benchmark_group("tree");
    group.throughput(Throughput::Elements(500));
    group.bench_function("encode", |bencher| {
        bencher.iter(|| black_box(&node).encode());
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| Node::decode(black_box(&bytes)));
    });
    group.finish();
    Ok(())
}

/// Slower: publishing one package into a flat directory of 200,000. It must cost what changes, not what is there.
fn wide_directory(criterion: &mut Criterion) -> Outcome {
    let nodes = Nodes::default();
    let base = directory(&nodes, WIDE_NAMES)?.tree;
    let child = file(WIDE_NAMES / 2, "changed")?;
    let edits = BTreeMap::from([(child.entry().name().clone(), Edit::Put(child))]);
    criterion.bench_function("wide directory, one of 200,000 names changed", |bencher| {
        bencher.iter(|| update(&nodes, &mut &nodes, base, black_box(edits.clone())));
    });
    Ok(())
}

/// Slower to index or match: making deltas. Slower to apply: every pull of one.
fn patches(criterion: &mut Criterion) -> Outcome {
    let mut random = Random::new(0);
    let base = text(&mut random, PATCHED_BYTES);
    // Every 4 KiB, a change of a few bytes; in the middle, a piece that moved.
    let mut target = base.clone();
    target.rotate_left(PATCHED_BYTES / 3);
    for place in target.iter_mut().step_by(4 << 10) {
        *place = place.wrapping_add(1);
    }
    patch(criterion, "patch", &base, &target)?;
    // A program in which some functions are new, so most calls have other distances.
    let base = program(PATCHED_FUNCTIONS, &[])?;
    let new: Vec<u64> = (0..PATCHED_FUNCTIONS).step_by(3_000).collect();
    let target = program(PATCHED_FUNCTIONS, &new)?;
    patch(criterion, "patch of code", &base, &target)
}

fn patch(criterion: &mut Criterion, name: &str, base: &[u8], target: &[u8]) -> Outcome {
    let lengths = [u32::try_from(target.len())?];
    let encode =
        |target: &[u8]| encode(Method::Difference, &[Pair { base, target }], Effort::Quick);
    let patch = encode(target)?;
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(target.len() as u64));
    group.bench_function("index", |bencher| {
        bencher.iter(|| encode(black_box(&target[..64])));
    });
    group.bench_function("index and match", |bencher| {
        bencher.iter(|| encode(black_box(target)));
    });
    group.bench_function("apply", |bencher| {
        bencher.iter(|| {
            let mut bytes = 0;
            apply(black_box(&patch), &[base], &lengths, &mut |_, piece| {
                bytes += black_box(piece).len();
                Ok(())
            })
            .map(|()| bytes)
        });
    });
    group.finish();
    Ok(())
}

/// Slower: every look at an object of a build that is not published, and so staging and committing.
fn pack_index(criterion: &mut Criterion) -> Outcome {
    let mut writer = PackWriter::new(Vec::new(), [0; 16])?;
    let ids: Vec<Hash> = (0..PACK_OBJECTS)
        .map(|number| Hash::of(&number.to_le_bytes()))
        .collect();
    for part in (0..PACK_OBJECTS).collect::<Vec<_>>().chunks(1000) {
        let mut frame = FrameBuilder::new();
        for number in part {
            let bytes = number.to_le_bytes();
            frame.push(ObjectKind::Blob, Hash::of(&bytes), &bytes)?;
        }
        writer.append(&frame.seal()?)?;
    }
    let (bytes, _) = writer.finish()?;
    let pack = PackReader::open(&bytes[..])?;
    let mut next = ids.iter().cycle();
    criterion.bench_function("pack index, one of 20,000 objects found", |bencher| {
        bencher.iter(|| {
            next.next()
                .map(|id| pack.find(ObjectKind::Blob, black_box(*id)))
        });
    });
    Ok(())
}

/// Slower: staging, committing and publishing whatever is mostly published already, which asks for every object.
fn catalog_rows(criterion: &mut Criterion) -> Outcome {
    let stock = Stock::fill(PUBLISHED_OBJECTS)?;
    let view = stock.shop().store().view(stock.shop().repo(), &[])?;
    let mut group = criterion.benchmark_group("catalog of 20,000 objects");
    for (name, version) in [("one found", 0), ("one not found", 1)] {
        let ids: Vec<Hash> = (0..stock.files())
            .map(|number| Stock::content_id(number, version))
            .collect();
        let found = view.find(ObjectKind::Blob, ids[0])?;
        assert_eq!(found.is_some(), version == 0, "{name}");
        let mut next = ids.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                next.next()
                    .map(|id| view.find(ObjectKind::Blob, black_box(*id)))
            });
        });
    }
    group.finish();
    Ok(())
}

/// Slower: `publish`, from the merge to the signed statement and the durable switch; with 1,000 files it shows what each
/// new row of the catalog costs.
fn publishing(criterion: &mut Criterion) -> Outcome {
    let stock = Stock::fill(PUBLISHED_OBJECTS)?;
    let version = Cell::new(0);
    let mut group = criterion.benchmark_group("publish into 20,000 objects");
    group.sample_size(10);
    for files in CHANGED_FILES {
        let apart = stock.files() / files;
        let numbers: Vec<u64> = (0..files).map(|number| number * apart).collect();
        let commit = || {
            version.set(version.get() + 1);
            stock.commit(&numbers, version.get())
        };
        let committed = || commit().expect("because builds of new contents can be committed");
        group.bench_function(format!("{files} changed files"), |bencher| {
            bencher.iter_batched(
                committed,
                |build| {
                    let done = stock.shop().publish(build);
                    assert!(done.is_ok(), "{done:?}");
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    Ok(())
}

fn all(criterion: &mut Criterion) {
    hashing(criterion);
    let benches = [
        framing,
        trees,
        wide_directory,
        pack_index,
        patches,
        catalog_rows,
        publishing,
    ];
    let failed = benches.into_iter().find_map(|bench| bench(criterion).err());
    assert!(failed.is_none(), "a bench failed: {failed:?}");
}

criterion_group!(benches, all);
criterion_main!(benches);
