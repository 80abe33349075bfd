//! Files at plain paths: what clients get that know nothing of Bindery.

use std::error::Error;
use std::fs::OpenOptions;
use std::io::Write;

use crate::server::builds::push;
use crate::server::{released, served};
use crate::support::Node::{File, Link};
use crate::support::http::Ask;
use crate::support::served::Served;
use crate::support::{Outcome, TIME_S, number};

#[test]
fn files_and_lists_are_where_people_expect_them() -> Outcome {
    let (_scratch, served) = released("")?;
    for (path, status, words) in [
        ("/r/main/files/", 200, "stable/"),
        ("/r/main/files/stable", 301, "slash"),
        ("/r/main/files/stable/", 200, "index.txt"),
        ("/r/main/files/stable/bin", 301, "slash"),
        ("/r/main/files/stable/bin/", 200, "latest"),
        ("/r/main/files/stable/bin/tool", 200, "echo one"),
        ("/r/main/files/stable/bin/latest", 200, "echo one"),
        ("/r/main/files/stable/bin/out", 404, "not_found"),
        ("/r/main/files/stable/bin/tool/", 404, "not_found"),
        ("/r/main/files/stable@1/index.txt", 200, "0123456789"),
        ("/r/main/files/stable@2/index.txt", 404, "release"),
        ("/r/main/files/stable/nothing", 404, "not_found"),
        ("/r/main/files/nothing/", 404, "not_found"),
        (
            "/r/main/files/stable/etc/a%20name&%3Cb%3E.conf",
            200,
            "level",
        ),
        (
            "/r/main/files/stable/index.txt?anything=1",
            200,
            "0123456789",
        ),
        ("/r/main/files/stable/%2e%2e/x", 404, "not_found"),
        ("/r/main/files/stable/%ff", 404, "not_found"),
    ] {
        let reply = served.get(path)?;
        let (found, text) = (reply.status, reply.text());
        assert!(
            found == status && text.contains(words),
            "{path}: {found} {text}"
        );
    }
    let list = Ask::new("GET", "/r/main/files/stable/").header("Accept", "application/json");
    let list = list.send(served.address)?.expect(200)?.json()?;
    let entries = list["entries"].as_array().ok_or("entries")?;
    let names: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry["name"].as_str())
        .collect();
    assert_eq!(names, ["bin", "etc", "index.txt"]);
    assert_eq!(entries[2]["size"], 10);
    let html = served.get("/r/main/files/stable/etc/")?.text();
    assert!(
        html.contains("a name&amp;&lt;b&gt;.conf") && !html.contains("<b>"),
        "{html}"
    );
    Ok(())
}

#[test]
fn parts_conditions_and_heads_are_answered_as_http_says() -> Outcome {
    let (_scratch, served) = released("")?;
    let path = "/r/main/files/stable/index.txt";
    let whole = served.get(path)?.expect(200)?;
    let (tag, date) = (
        whole.header("etag").to_owned(),
        whole.header("date").to_owned(),
    );
    assert_eq!(whole.header("content-type"), "text/plain; charset=utf-8");
    for (headers, status, body) in [
        (&[("Range", "bytes=2-3")][..], 206, "23"),
        (&[("Range", "bytes=-2")], 206, "89"),
        (&[("Range", "bytes=10-")], 416, ""),
        (&[("Range", "bytes=0-1"), ("If-Range", &tag)], 206, "01"),
        (
            &[("Range", "bytes=0-1"), ("If-Range", "\"other\"")],
            200,
            "0123456789",
        ),
        (&[("If-None-Match", &tag)], 304, ""),
        (&[("If-None-Match", "\"other\"")], 200, "0123456789"),
        (&[("If-Modified-Since", &date)], 304, ""),
        (
            &[("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT")],
            200,
            "0123456789",
        ),
        (&[("If-Match", "\"other\"")], 412, ""),
    ] {
        let mut ask = Ask::new("GET", path);
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        let reply = ask.send(served.address)?.expect(status)?;
        assert_eq!(reply.text(), body, "{headers:?}");
    }
    let several = Ask::new("GET", path).header("Range", "bytes=0-1,8-9");
    let several = several.send(served.address)?.expect(206)?;
    assert!(
        several
            .header("content-type")
            .starts_with("multipart/byteranges")
    );
    let text = several.text();
    assert!(
        text.contains("bytes 0-1/10\r\n\r\n01\r\n") && text.contains("bytes 8-9/10\r\n\r\n89\r\n"),
        "{text}"
    );
    let head = Ask::new("HEAD", path).send(served.address)?.expect(200)?;
    assert_eq!((head.header("content-length"), head.body.len()), ("10", 0));
    Ok(())
}

#[test]
fn a_large_file_is_sent_in_pieces_and_any_part_of_it_is_right() -> Outcome {
    let (scratch, served) = served("")?;
    let noise = crate::support::noise(20_000_000);
    std::fs::write(scratch.path("tree/large"), &noise)?;
    let line = format!("push tree --ref stable --publish --remote {}", served.url());
    served.run(&scratch, &line)?.expect_code(0)?;
    let whole = served.get("/r/main/files/stable/large")?.expect(200)?;
    assert!(whole.body == noise);
    for (start, end) in [
        (0, 0),
        (9_999_999, 10_000_001),
        (3_000_000, 12_345_678),
        (19_999_999, 19_999_999),
    ] {
        let ask = Ask::new("GET", "/r/main/files/stable/large");
        let ask = ask.header("Range", &format!("bytes={start}-{end}"));
        let part = ask.send(served.address)?.expect(206)?;
        assert!(part.body == noise[start..=end], "{start}-{end}");
    }
    served.end_sound(&scratch)
}

/// Publishes a release without `index.txt`.
fn lose_index(served: &Served) -> Outcome {
    let made = served.ask("POST", "/api/v1/repos/main/builds", r#"{"ref": "stable"}"#)?;
    let build = number(&made.json()?, "build")?;
    for (verb, body) in [
        ("stage", r#"{"at": "index.txt", "remove": true}"#),
        ("commit", ""),
        ("publish?wait", ""),
    ] {
        served
            .ask("POST", &format!("/api/v1/builds/{build}/{verb}"), body)?
            .expect(200)?;
    }
    Ok(())
}

#[test]
fn who_read_an_index_before_a_release_still_finds_what_it_names() -> Outcome {
    let (scratch, served) = released("")?;
    lose_index(&served)?;
    let index = served.get("/r/main/files/stable/index.txt")?.expect(200)?;
    assert_eq!(index.text(), "0123456789", "it was there a moment ago");
    served
        .get("/r/main/files/stable@2/index.txt")?
        .expect(404)?;
    let list = served.get("/r/main/files/stable/")?.text();
    assert!(!list.contains("index.txt"), "and yet it is gone: {list}");
    served.end_sound(&scratch)
}

#[test]
fn what_a_release_lost_is_gone_when_its_grace_is_over() -> Outcome {
    let (scratch, served) = released("")?;
    lose_index(&served)?;
    served.end_sound(&scratch)?;
    let hour = 3600;
    let found = |seconds: u64| -> Result<u16, Box<dyn Error>> {
        let served = Served::start_at(&scratch, "", TIME_S + seconds)?;
        let release = "/r/main/files/stable@1/index.txt";
        served.get(release)?.expect(200)?;
        Ok(served.get("/r/main/files/stable/index.txt")?.status)
    };
    assert_eq!(found(hour)?, 200);
    assert_eq!(found(hour + 1)?, 404);
    let place = scratch.store().join("bindery.toml");
    let mut settings = OpenOptions::new().append(true).open(place)?;
    write!(settings, "\n[serve]\ngrace_seconds = 0\n")?;
    assert_eq!(found(0)?, 404);
    Ok(())
}

#[test]
fn a_test_repository_has_the_paths_that_the_ref_will_have() -> Outcome {
    let (scratch, served) = released("--anonymous builds")?;
    scratch.write("tree", &[("index.txt", File("tested"))])?;
    let line = format!(
        "push tree --ref stable --commit --json --remote {}",
        served.url()
    );
    let build = number(
        &served.run(&scratch, &line)?.expect_code(0)?.json()?,
        "build",
    )?;
    for (path, status, text) in [
        (format!("/b/{build}/files/stable/index.txt"), 200, "tested"),
        (format!("/b/{build}/files/-/index.txt"), 200, "tested"),
        ("/r/main/files/stable/index.txt".into(), 200, "0123456789"),
        (
            format!("/b/{build}/files/other/index.txt"),
            404,
            "not_found",
        ),
        ("/b/999/files/-/index.txt".into(), 404, "not_found"),
    ] {
        let reply = served.get(&path)?.expect(status)?;
        assert!(reply.text().contains(text), "{path}: {}", reply.text());
    }
    served
        .ask("POST", &format!("/api/v1/builds/{build}/publish?wait"), "")?
        .expect(200)?;
    let published = served.get("/r/main/files/stable/index.txt")?.expect(200)?;
    assert_eq!(published.text(), "tested");
    let still = served
        .get(&format!("/b/{build}/files/stable/index.txt"))?
        .expect(200)?;
    assert_eq!(still.text(), "tested");
    // A build that was not committed has no test repository.
    let made = served.ask("POST", "/api/v1/repos/main/builds", "{}")?;
    let open = number(&made.json()?, "build")?;
    served.get(&format!("/b/{open}/files/-/"))?.expect(409)?;
    served.end_sound(&scratch)
}

#[test]
fn two_releases_within_one_second_are_two_to_who_knows_dates_only() -> Outcome {
    let (scratch, served) = released("")?;
    let path = "/r/main/files/stable/index.txt";
    for text in ["second", "third", "fourth"] {
        let seen = served
            .get(path)?
            .expect(200)?
            .header("last-modified")
            .to_owned();
        scratch.write("tree", &[("index.txt", File(text))])?;
        let line = format!("push tree --ref stable --publish --remote {}", served.url());
        served.run(&scratch, &line)?.expect_code(0)?;
        let ask = Ask::new("GET", path).header("If-Modified-Since", &seen);
        assert_eq!(ask.send(served.address)?.expect(200)?.text(), text);
    }
    served.end_sound(&scratch)
}

#[test]
fn a_list_says_which_links_lead_to_directories_and_which_nowhere() -> Outcome {
    let (scratch, served) = served("")?;
    scratch.write(
        "tree",
        &[("shortcut", Link("bin")), ("gone", Link("bin/nothing"))],
    )?;
    let line = format!("push tree --ref stable --publish --remote {}", served.url());
    served.run(&scratch, &line)?.expect_code(0)?;
    let html = served.get("/r/main/files/stable/")?.expect(200)?.text();
    assert!(
        html.contains(r#"<a href="./shortcut/">shortcut/</a>"#),
        "{html}"
    );
    assert!(html.contains("<td>gone</td>"), "{html}");
    let below = served.get("/r/main/files/stable/bin/")?.expect(200)?.text();
    assert!(
        below.contains(r#"<a href="./latest">latest</a></td><td>19</td>"#),
        "the size is that of what it leads to: {below}"
    );
    assert!(below.contains("<td>out</td>"), "{below}");
    let list = Ask::new("GET", "/r/main/files/stable/").header("Accept", "application/json");
    let list = list.send(served.address)?.expect(200)?.json()?;
    let found: Vec<_> = ["gone", "shortcut"]
        .map(|name| {
            let entries = list["entries"].as_array().into_iter().flatten();
            let mut entries = entries.filter(|entry| entry["name"] == name);
            entries.next().map(|entry| entry["leads_to"].clone())
        })
        .into_iter()
        .collect();
    assert_eq!(
        found,
        [Some(serde_json::Value::Null), Some("directory".into())]
    );
    served.end_sound(&scratch)
}

#[test]
fn a_directory_with_a_colon_is_led_to() -> Outcome {
    let (scratch, served) = served("")?;
    let inner = [
        ("c/libfoo:amd64/x", File("one")),
        ("c/plain/x", File("one")),
    ];
    scratch.write("tree", &inner)?;
    push(&scratch, &served, "--publish")?;
    // A relative reference must not begin with what looks like a scheme.
    for (name, place) in [("libfoo:amd64", "./libfoo:amd64/"), ("plain", "plain/")] {
        let led = served.get(&format!("/r/main/files/stable/c/{name}"))?;
        assert_eq!(led.expect(301)?.header("location"), place);
    }
    served.end_sound(&scratch)
}

#[test]
fn the_list_of_refs_is_led_to_and_parts_are_kept_apart_by_what_no_content_holds() -> Outcome {
    let (_scratch, served) = released("")?;
    let led = served.get("/r/main/files")?.expect(301)?;
    assert_eq!(led.header("location"), "files/");
    served.get("/r/main/files/")?.expect(200)?;
    let boundary = |name: &str| {
        let path = format!("/r/main/files/stable/{name}");
        let ask = Ask::new("GET", &path).header("Range", "bytes=0-0,4-4");
        let reply = ask.send(served.address)?.expect(206)?;
        Ok::<_, Box<dyn Error>>(reply.header("content-type").to_owned())
    };
    assert_ne!(boundary("index.txt")?, boundary("bin/tool")?);
    Ok(())
}
