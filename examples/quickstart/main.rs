//! A leak, what was made of it, and what was found: the whole way in seconds.
//!
//! Makes a small leak (e-mails, a memo, screenshots, photos), an index of it in
//! a temporary folder, and a feed of posts: recompressed, rescaled, mirrored and
//! inverted pictures, quoted and retyped text, a forwarded mail, and innocent
//! posts beside them. Then matches the feed and prints what was found and why.
//!
//! `cargo run --release --example quickstart`

#![allow(clippy::print_stdout, reason = "a program for people")]

mod leak;
mod posts;
mod screen;

use std::error::Error;
use std::time::Instant;

use leakprint::{Evidence, Executor, Fingerprinter, Index, IndexWriter, Match, Matcher};

fn main() -> Result<(), Box<dyn Error>> {
    let exec = Executor::with_threads(0)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("leak.lpx");

    // The owner: fingerprint in house, hand over the index. The key is random here and goes into it;
    // an owner who gives the fingerprinter a key keeps it apart and gives it to the matcher too.
    let started = Instant::now();
    let items = leak::items()?;
    let fingerprinter = Fingerprinter::builder().build()?;
    let prints = exec.map(&items, |item| {
        fingerprinter.fingerprint(&item.bytes, Some(&item.name))
    });
    let mut writer = IndexWriter::from(&fingerprinter);
    for disclaimer in leak::BOILERPLATE {
        writer.ignore(&fingerprinter.fingerprint_text(disclaimer)?)?;
    }
    for (item, print) in items.iter().zip(prints) {
        writer.add(&item.name, &print?)?;
    }
    writer.save(&file, &exec)?;
    println!(
        "indexed {} leaked files ({} kB) into {} kB of one-way fingerprints in {} ms\n",
        items.len(),
        items.iter().map(|i| i.bytes.len()).sum::<usize>() / 1000,
        std::fs::metadata(&file)?.len() / 1000,
        started.elapsed().as_millis()
    );

    // The platform: open the index, match what is posted.
    let matcher = Matcher::new(Index::open(&file)?)?;
    let posts = posts::feed(&items)?;
    let started = Instant::now();
    let results = exec.map(&posts, |post| {
        matcher.find_media(&post.bytes, Some(&post.name))
    });
    let elapsed = started.elapsed();

    println!("{:30} {:26} found, and why", "post", "what was done to it");
    println!("{}", "-".repeat(110));
    let (mut hits, mut misses, mut wrong) = (0, 0, 0);
    for (post, result) in posts.iter().zip(results) {
        let matches = result?;
        println!(
            "{:30} {:26} {}",
            post.name,
            post.what,
            matches.first().map_or("-".to_owned(), describe)
        );
        for other in matches.iter().skip(1) {
            println!("{:30} {:26} {}", "", "", describe(other));
        }
        match post.of {
            Some(item) if matches.iter().any(|m| m.item == item) => hits += 1,
            Some(_) => misses += 1,
            None => {}
        }
        wrong += matches
            .iter()
            .filter(|m| Some(m.item.as_str()) != post.of)
            .count();
    }
    println!("{}", "-".repeat(110));
    println!(
        "{hits} of {} leaked posts found, {wrong} false matches among {} posts, {:.1} ms a post",
        hits + misses,
        posts.len(),
        elapsed.as_secs_f64() * 1000.0 / posts.len() as f64
    );
    if misses + wrong > 0 {
        return Err("the quickstart found less or more than it should".into());
    }
    Ok(())
}

fn describe(m: &Match) -> String {
    let why = match m.evidence.first() {
        Some(Evidence::Bytes { .. }) => "the same bytes".to_owned(),
        Some(Evidence::Pixels { .. }) => "the same pixels".to_owned(),
        Some(Evidence::Image {
            distance,
            gradient_distance,
            transform,
            inverted,
            ..
        }) => format!(
            "same picture ({distance} + {gradient_distance} bits off{}{})",
            match transform {
                leakprint::Dihedral::Identity => String::new(),
                turned => format!(", {turned:?}"),
            },
            if *inverted { ", inverted" } else { "" }
        ),
        Some(Evidence::Text {
            covered,
            query_span,
            ..
        }) => format!(
            "{covered} letters in order, at characters {}..{}",
            query_span[0], query_span[1]
        ),
        _ => String::new(),
    };
    format!("{} [{}] {why}", m.item, m.strength)
}
