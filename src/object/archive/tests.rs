//! Archives of all kinds are unfolded and made again; what is hostile is refused.

use liblzma::stream::{Action, Check, Filters, LzmaOptions, Stream};

use super::coder::Coder;
use super::stream::Filter;
use super::*;
use crate::base::id::Hash;

/// The unfolded form of a file, which is the same when it is known how its streams are made.
fn unfold(file: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let Unfolded { form, findings } = super::unfold(file, bytes_max)?;
    let known = Findings::decode(&findings.encode());
    assert!(known.as_ref() == Some(&findings));
    let again = known.and_then(|known| unfold_as(file, known, bytes_max));
    assert!(again.as_ref() == Some(&form));
    Some(form)
}

/// More than anything here unpacks to.
const MOST: usize = 1 << 24;

/// Text that compresses, of about `bytes` bytes.
fn text(seed: usize, bytes: usize) -> Vec<u8> {
    let line = |number: usize| format!("{} of {seed} is {}\n", number % 97, number * number * seed);
    let lines = (0..bytes / 12).map(line);
    lines.collect::<String>().into_bytes()
}

fn deflated(plain: &[u8], level: u8) -> Vec<u8> {
    let mut packed = Vec::new();
    assert!(deflate::pack(plain, level, &mut |piece| {
        packed.extend_from_slice(piece);
        true
    }));
    packed
}

/// A gzip with a name; its sum does not matter, since it stays as it is.
fn gzip(plain: &[u8], level: u8) -> Vec<u8> {
    let head = b"\x1f\x8b\x08\x08\x01\x02\x03\x04\0\x03name\0";
    [&head[..], &deflated(plain, level), b"sum.size"].concat()
}

/// A zip of deflated and stored members.
fn zip(members: &[(&str, &[u8], bool)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, plain, is_deflated) in members {
        let packed = if *is_deflated {
            deflated(plain, 9)
        } else {
            plain.to_vec()
        };
        let method = if *is_deflated { 8_u16 } else { 0 };
        let sizes = [packed.len(), plain.len()].map(|size| u32::try_from(size).unwrap_or(0));
        let mut common = vec![20, 0, 0, 0];
        common.extend_from_slice(&method.to_le_bytes());
        common.extend_from_slice(b"timedatesum.");
        common.truncate(14);
        for size in sizes {
            common.extend_from_slice(&size.to_le_bytes());
        }
        common.extend_from_slice(&[u8::try_from(name.len()).unwrap_or(0), 0, 0, 0]);
        let local = u32::try_from(file.len()).unwrap_or(0);
        file.extend_from_slice(b"PK\x03\x04");
        file.extend_from_slice(&common);
        file.extend_from_slice(name.as_bytes());
        file.extend_from_slice(&packed);
        directory.extend_from_slice(b"PK\x01\x02\x14\0");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&local.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let start = u32::try_from(file.len()).unwrap_or(0);
    let size = u32::try_from(directory.len()).unwrap_or(0);
    let count = u16::try_from(members.len()).unwrap_or(0).to_le_bytes();
    file.extend_from_slice(&directory);
    file.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    file.extend_from_slice(&[count, count].concat());
    file.extend_from_slice(&size.to_le_bytes());
    file.extend_from_slice(&start.to_le_bytes());
    file.extend_from_slice(b"\x04\0note");
    file
}

/// An xz file, by a preset with a dictionary of 1 MiB.
fn xz(plain: &[u8], preset: u32, filter: Filter) -> Vec<u8> {
    let mut options = LzmaOptions::new_preset(preset).expect("a preset");
    options.dict_size(1 << 20);
    let mut filters = Filters::new();
    if filter == Filter::X86 {
        filters.x86();
    }
    filters.lzma2(&options);
    let mut stream = Stream::new_stream_encoder(&filters, Check::Crc32).expect("an encoder");
    let mut file = Vec::with_capacity(2 * plain.len() + 1000);
    stream
        .process_vec(plain, &mut file, Action::Finish)
        .expect("it fits");
    file
}

fn tar(members: &[&[u8]]) -> Vec<u8> {
    let mut file = Vec::new();
    for member in members {
        let mut header = [0_u8; 512];
        header[..4].copy_from_slice(b"name");
        header[124..135].copy_from_slice(format!("{:011o}", member.len()).as_bytes());
        header[156] = b'0';
        header[257..262].copy_from_slice(b"ustar");
        file.extend_from_slice(&header);
        file.extend_from_slice(member);
        file.resize(file.len().next_multiple_of(512), 0);
    }
    file.resize(file.len() + 1024, 0);
    file
}

fn ar(members: &[&[u8]]) -> Vec<u8> {
    let mut file = b"!<arch>\n".to_vec();
    for member in members {
        let head = format!("{:48}{:<10}`\n", "name/", member.len());
        file.extend_from_slice(head.as_bytes());
        file.extend_from_slice(member);
        file.resize(file.len().next_multiple_of(2), b'\n');
    }
    file
}

/// One of each kind: with what is in it, as it must stand in the unpacked file.
fn samples() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let (one, two) = (text(3, 9000), text(7, 5001));
    let noise = Hash::of(b"noise").as_bytes().repeat(9);
    let module = xz(&one, 6, Filter::None);
    let package = ar(&[b"2.0\n", &xz(&tar(&[&two, &module]), 6, Filter::None)]);
    let members = [
        ("a", &one[..], true),
        ("b", &noise[..], false),
        ("c", &two, true),
    ];
    vec![
        ("gzip", gzip(&one, 6), one.clone()),
        ("best gzip", gzip(&one, 9), one.clone()),
        ("fast gzip", gzip(&one, 1), one.clone()),
        ("zip", zip(&members), two.clone()),
        ("xz", module.clone(), one.clone()),
        ("fast xz", xz(&one, 1, Filter::None), one.clone()),
        ("filtered xz", xz(&one, 6, Filter::X86), one.clone()),
        ("tar of xz", tar(&[&two, &module]), one.clone()),
        ("tar.gz of xz", gzip(&tar(&[&module]), 6), one.clone()),
        ("package", package, one),
    ]
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn archives_are_made_again_of_what_is_in_them() -> Result<(), crate::base::Error> {
    for (name, file, content) in samples() {
        assert!(is_archive(&file[..file.len().min(512)]), "{name}");
        let form = unfold(&file, MOST).unwrap_or_default();
        assert!(contains(&form, &content), "{name} is unfolded");
        assert!(refold(&form, file.len())? == file, "{name} is made again");
        let unpacked = unpack(&file, MOST).unwrap_or_default();
        assert!(form.ends_with(&unpacked), "{name} unpacks to the same");
        assert!(form.len() < unpacked.len() + 64, "{name}: a short recipe");
        let exact = unpack(&file, unpacked.len());
        assert!(exact == Some(unpacked.clone()), "{name} in just as many");
        assert!(unpack(&file, unpacked.len() - 1).is_none(), "{name}");
        for bytes in [file.len() - 1, file.len() + 1] {
            assert!(refold(&form, bytes).is_err(), "{name} of another length");
        }
    }
    Ok(())
}

#[test]
fn what_compressors_make_is_part_of_the_format() {
    let made: Vec<String> = samples()
        .iter()
        .map(|(name, file, _)| {
            let form = unfold(file, MOST).unwrap_or_default();
            let both =
                [Hash::of(file), Hash::of(&form)].map(|hash| hash.to_string()[..8].to_owned());
            format!("{name} {} {}", file.len(), both.join(" "))
        })
        .collect();
    let golden = "\
gzip 4028 e0a07b0a d8772556
best gzip 4013 e1273d32 82a9275f
fast gzip 4303 7b454e86 4e0b7f15
zip 6770 fe68b6e1 c8259b42
xz 2588 c6aa8dcd f4f72044
fast xz 3300 a9cea489 0d9c482d
filtered xz 2588 a7a4889e c102c333
tar of xz 12800 e819dc0e f328f22b
tar.gz of xz 2723 3b341ef0 1ee6e298
package 4400 a1430aed 87a64dc7";
    assert_eq!(made.join("\n"), golden);
}

#[test]
fn what_cannot_be_made_again_stays_as_it_is() {
    let plain = text(5, 20_000);
    let (front, back) = plain.split_at(7777);
    // Two streams in one: the first is not marked as the last.
    let mut stream = flate2::Compress::new(flate2::Compression::new(6), false);
    let mut packed = Vec::with_capacity(MOST);
    for (part, flush) in [
        (front, flate2::FlushCompress::Full),
        (back, flate2::FlushCompress::Finish),
    ] {
        stream
            .compress_vec(part, &mut packed, flush)
            .expect("it fits");
    }
    let file = [b"\x1f\x8b\x08\0\0\0\0\0\0\x03", &packed[..], b"sum.size"].concat();
    let unpacked = unpack(&file, MOST).expect("it can be a base");
    assert!(contains(&unpacked, &plain));
    assert!(unfold(&file, MOST).is_none());
    let plain_file = text(5, 1000);
    assert!(unfold(&plain_file, MOST).is_none() && unpack(&plain_file, MOST).is_none());
}

#[test]
fn a_bomb_is_not_unpacked() {
    let bomb = gzip(&vec![0; 4 << 20], 9);
    assert!(bomb.len() < 8192);
    assert!(unpack(&bomb, 1 << 20).is_none());
    assert!(unfold(&bomb, 1 << 20).is_none());
    let bomb = xz(&vec![0; 4 << 20], 6, Filter::None);
    assert!(unpack(&bomb, 1 << 20).is_none());
    // A third stream in streams stays as it is.
    let inner = gzip(&text(3, 3000), 6);
    let deep = gzip(&tar(&[&gzip(&tar(&[&inner]), 6)]), 6);
    assert!(contains(&unpack(&deep, MOST).unwrap_or_default(), &inner));
}

#[test]
fn a_damaged_archive_or_recipe_is_refused_or_means_what_it_says() {
    for (name, file, _) in samples() {
        for end in (0..file.len()).step_by(file.len() / 50) {
            if let Some(form) = unfold(&file[..end], MOST) {
                let again = refold(&form, end).unwrap_or_default();
                assert!(again == file[..end], "{name} cut at {end}");
            }
        }
        let form = unfold(&file, MOST).unwrap_or_default();
        let head = form.len() - unpack(&file, MOST).unwrap_or_default().len();
        for end in 0..head {
            assert!(refold(&form[..end], file.len()).is_err(), "{name}, {end}");
        }
        for bit in 0..8 * head {
            let mut bad = form.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let made = refold(&bad, file.len());
            // Another level may make the same of a short content.
            let is_as_long = made.as_ref().is_ok_and(|made| made.len() == file.len());
            assert!(is_as_long || made.is_err(), "{name}, {bit}");
        }
    }
}

#[test]
fn a_recipe_has_limits() {
    let deflate = [1, 6, 0];
    let level =
        |gap: u8, bytes: u8, within: &[u8]| [&[1, gap][..], &deflate, &[bytes], within].concat();
    let plain = [b'b'; 64];
    let good = [&level(1, 64, &[0])[..], b"a", &plain].concat();
    let packed = deflated(&plain, 6);
    let file = [b"a", &packed[..]].concat();
    assert_eq!(refold(&good, file.len()).ok(), Some(file));
    let three = level(0, 0, &level(0, 0, &level(0, 0, &[0])));
    for (bad, reason) in [
        (three, "three levels"),
        (level(1, 3, &[0]), "longer than what there is"),
        (level(1, 2, &level(0, 3, &[0])), "longer than what it is in"),
        (vec![0xff, 0xff, 0xff, 0xff, 0x0f], "too many streams"),
        (vec![1, 0, 1, 0, 0, 0, 0], "a level of deflate that is none"),
        (vec![1, 0, 2, 6, 23, 0, 0], "a dictionary of 12 MiB"),
        (vec![1, 0, 2, 7, 22, 0, 0], "a preset that is not used"),
        (vec![1, 0, 4, 6, 0, 0, 0], "an unknown coder"),
        (vec![], "nothing"),
    ] {
        for bytes in [0, 3, 5, 11] {
            let form = [&bad[..], b"abc"].concat();
            assert!(refold(&form, bytes).is_err(), "{reason}");
        }
    }
    let coder = Coder::Lzma2 {
        dictionary: 22,
        filter: Filter::None,
    };
    assert_eq!(coder.packings(None).count(), 13);
}

#[test]
fn a_stream_of_next_to_nothing_is_not_made_again() -> Result<(), crate::base::Error> {
    // A thousand of them, in some kilobytes, kept a receiver busy for a second.
    for (packing, bytes_min) in [([1, 6, 0], 64), ([2, 6, 22], 4096), ([3, 0x86, 22], 4096)] {
        for bytes in [0, 1, bytes_min - 1, bytes_min] {
            let plain = vec![b'x'; bytes];
            let mut form = [&[1, 0], &packing[..]].concat();
            crate::object::patch::varint::push(&mut form, bytes as u64);
            form.push(0);
            form.extend_from_slice(&plain);
            let made = (1..=200).find_map(|length| refold(&form, length).ok());
            assert_eq!(made.is_some(), bytes == bytes_min, "{packing:?} of {bytes}");
        }
    }
    // Those of an honest archive stay as they are, and keep no others from being made again, however many they are.
    let long = text(3, 9000);
    let short: Vec<String> = (0..40).map(|number| format!("m{number}")).collect();
    let mut members: Vec<(&str, &[u8], bool)> = short
        .iter()
        .map(|name| (&name[..], &b"short"[..], true))
        .collect();
    members.push(("long", &long, true));
    for (file, content) in [
        (zip(&members), &long),
        (
            tar(&[&xz(b"short", 6, Filter::None), &xz(&long, 6, Filter::None)]),
            &long,
        ),
    ] {
        let form = unfold(&file, MOST).unwrap_or_default();
        assert!(contains(&form, content) && refold(&form, file.len())? == file);
    }
    Ok(())
}
