//! What was found, in words for people.

use leakprint::{Dihedral, Evidence, Match};

use crate::posts::Post;

/// Why a match is one, by its first piece of evidence.
pub(crate) fn describe(found: &Match, post: &Post) -> String {
    match found.evidence.first() {
        Some(Evidence::Bytes { part, .. }) => match part.as_str() {
            "" => "the same file, byte for byte".to_owned(),
            part => format!("the same file, byte for byte, inside it, at {part}"),
        },
        Some(Evidence::Pixels { .. }) => "the same pixels in another file".to_owned(),
        Some(Evidence::Image {
            distance,
            gradient_distance,
            transform,
            inverted,
            ..
        }) => format!(
            "the same picture{}{}: {} of 512 hash bits differ",
            turned(*transform),
            if *inverted { ", inverted" } else { "" },
            distance + gradient_distance
        ),
        Some(Evidence::Region {
            region: [x, y, width, height],
            agreed,
            compared,
            ..
        }) => format!(
            "shows a part of it, {width} x {height} pixels at {x}, {y}: {agreed} of {compared} details agree"
        ),
        Some(Evidence::Text {
            covered,
            query_span: [start, end],
            ..
        }) => match post.text() {
            Some(text) => format!("{covered} letters in order: {}", quoted(text, *start, *end)),
            None => format!("{covered} letters in order, characters {start} to {end}"),
        },
        _ => String::new(),
    }
}

fn turned(transform: Dihedral) -> &'static str {
    match transform {
        Dihedral::Identity => "",
        Dihedral::FlipHorizontal | Dihedral::FlipVertical => ", mirrored",
        Dihedral::Rotate90 | Dihedral::Rotate180 | Dihedral::Rotate270 => ", turned",
        _ => ", mirrored and turned",
    }
}

/// Beginning and end of a passage.
fn quoted(text: &str, start: u32, end: u32) -> String {
    const SHOWN: usize = 24;
    let (start, end) = (start as usize, end as usize);
    let passage: Vec<char> = text.chars().skip(start).take(end - start).collect();
    let shown = |part: &[char]| part.iter().collect::<String>().replace('\n', " ");
    match passage.len() > 2 * SHOWN + 5 {
        false => format!("\"{}\"", shown(&passage)),
        true => format!(
            "\"{} ... {}\"",
            shown(&passage[..SHOWN]).trim_end(),
            shown(&passage[passage.len() - SHOWN..]).trim_start()
        ),
    }
}
