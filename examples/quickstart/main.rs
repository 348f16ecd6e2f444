//! A leak, what was made of it, and what was found: the whole way in seconds.
//!
//! Makes a small leak (e-mails, a memo, screenshots, photos), an index of it in
//! a temporary folder, and a feed of posts: recompressed, cropped, mirrored and
//! inverted pictures, a tweet of a mail, quoted and retyped text, a forwarded mail,
//! and innocent posts beside them, some of which look alike. Then matches the feed and
//! prints what was found and why.
//!
//! `cargo run --release --example quickstart`

#![allow(clippy::print_stdout, reason = "a program for people")]

mod evidence;
mod leak;
mod posts;
mod screen;

use std::error::Error;
use std::time::Instant;

use evidence::describe;
use leakprint::{Executor, Fingerprinter, Index, IndexWriter, Matcher};

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
        "{} leaked files ({} kB) -> an index of {} kB, one-way fingerprints only, made in {} ms\n",
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

    let (mut hits, mut misses, mut wrong, mut innocent) = (0, 0, 0, 0);
    println!("posts that show the leak, and why");
    for (post, result) in posts.iter().zip(results) {
        if post.of.is_none() && innocent == 0 {
            println!("\nposts that do not");
        }
        innocent += usize::from(post.of.is_none());
        let matches = result?;
        println!("  {:16} {}", post.name, post.what);
        for found in &matches {
            let why = describe(found, post);
            println!("    -> {}, {}: {why}", found.item, found.strength);
        }
        if matches.is_empty() {
            println!("    -> nothing");
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
    println!(
        "\nfound {hits} of {} posts that show the leak, {wrong} false matches in {} posts, {:.1} ms per post",
        hits + misses,
        posts.len(),
        elapsed.as_secs_f64() * 1000.0 / posts.len() as f64
    );
    if misses + wrong > 0 {
        return Err("the quickstart found less or more than it should".into());
    }
    Ok(())
}
