//! The report: one self-contained HTML file for people.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use leakprint::{Evidence, Limits, Matcher, PartPath, Source};

use crate::accounts::{Account, is_posted};
use crate::posts::{Found, Located, Post, Posts, read_found, read_media};
use crate::show::{self, Picture, Shown};
use crate::{Args, Failure};

/// Maximum number of posts shown with their evidence, per account and in total. The output file has the
/// rest.
const MAX_POSTS_OF_ACCOUNT: usize = 30;
const MAX_POSTS: usize = 400;

/// Maximum number of items shown per post.
const MAX_ITEMS_OF_POST: usize = 4;

/// Maximum number of columns of the timeline.
const MAX_COLUMNS: usize = 96;

/// A post with matches.
struct Hit {
    post: Post,
    found: Found,
}

#[derive(Default)]
struct Totals {
    posts: u64,
    matched: u64,
    failed: u64,
    accounts: std::collections::HashSet<String>,
    /// Posts per hour, and how many of them have a match.
    hours: BTreeMap<String, (u32, u32)>,
}

pub(crate) fn write(
    args: &Args,
    source: &Source,
    matcher: &Matcher,
    ranked: &[Account],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (totals, mut hits) = collect(args)?;
    let limits = matcher.query_fingerprinter().limits();
    let mut page = String::new();
    head(&mut page, args, &totals, ranked, source);
    out.write_all(page.as_bytes())?;
    let mut left = MAX_POSTS;
    for account in ranked {
        page.clear();
        let of_account = hits.remove(&account.account).unwrap_or_default();
        account_section(&mut page, args, account, of_account, &mut left, limits);
        out.write_all(page.as_bytes())?;
    }
    out.write_all(b"</main></body></html>\n")?;
    Ok(())
}

/// Reads posts together with their output lines, and keeps those with a match.
fn collect(args: &Args) -> Result<(Totals, HashMap<String, Vec<Hit>>), Failure> {
    let mut totals = Totals::default();
    let mut hits: HashMap<String, Vec<Hit>> = HashMap::new();
    for (line, found) in Posts::open(&args.posts)?.zip(read_found(&args.output)?) {
        let (line, found) = (line?, found?);
        totals.posts += 1;
        totals.failed += u64::from(found.error.is_some());
        totals.accounts.insert(found.account.clone());
        // The hour of an RFC 3339 time.
        let hour = found.time.get(..13).unwrap_or_default().to_owned();
        let count = totals.hours.entry(hour).or_default();
        count.0 += 1;
        if found.matches.is_empty() {
            continue;
        }
        count.1 += 1;
        totals.matched += 1;
        if let Ok(post) = line.post {
            hits.entry(found.account.clone())
                .or_default()
                .push(Hit { post, found });
        }
    }
    Ok((totals, hits))
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Bidirectional control characters would let a post reorder the text of the page.
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() && c != '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn head(page: &mut String, args: &Args, totals: &Totals, ranked: &[Account], source: &Source) {
    let name = |path: &Path| escape(&path.file_name().unwrap_or_default().to_string_lossy());
    let count = |word: &str| ranked.iter().filter(|a| a.verdict.as_str() == word).count();
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Who posted the leak: {posts}</title><style>{css}</style></head><body><main>\
         <h1>Who posted the leak</h1>\
         <p class=\"quiet\">{posts} against {index}: {items} leaked items, matches of strength \
         <b>{min}</b> and above.</p><ul class=\"totals\">\
         <li><b>{all}</b>posts</li><li><b>{matched}</b>with leaked material</li>\
         <li><b>{accounts}</b>accounts</li><li><b class=\"repeat\">{repeat}</b>repeat posters</li>\
         <li><b class=\"single\">{single}</b>posted once</li>\
         <li><b class=\"weak\">{weak}</b>only quoted</li><li><b>{failed}</b>posts not read completely</li></ul>",
        css = include_str!("report.css"),
        posts = name(&args.posts),
        index = name(&args.index),
        items = source.item_count(),
        min = args.min,
        all = totals.posts,
        matched = totals.matched,
        accounts = totals.accounts.len(),
        repeat = count("repeat"),
        single = count("single"),
        weak = count("weak"),
        failed = totals.failed,
    );
    timeline(page, &totals.hours);
    page.push_str(
        "<h2>Accounts</h2><div class=\"scroll\"><table class=\"accounts\"><thead><tr><th>#</th><th>Account</th>\
         <th>Verdict</th><th>Items</th><th>Posts</th><th>Why</th></tr></thead><tbody>",
    );
    for account in ranked {
        let _ = write!(
            page,
            "<tr><td class=\"n\">{rank}</td><td><a href=\"#a{rank}\">{account}</a></td>\
             <td class=\"{verdict}\">{verdict}</td><td class=\"n\">{items}</td><td class=\"n\">{posts}</td>\
             <td>{why}</td></tr>",
            rank = account.rank,
            account = escape(&account.account),
            verdict = account.verdict.as_str(),
            items = account.items.len(),
            posts = account.posts.len(),
            why = escape(&account.reasons.join("; ")),
        );
    }
    page.push_str(
        "</tbody></table></div><p class=\"quiet\"><b>repeat</b>: several leaked items in several posts. \
         <b>single</b>: one item, or several in one post. <b>weak</b>: short quotations only, as in news \
         reports; no accusation.</p>",
    );
}

/// Posts over time, with those that contain leaked material highlighted.
fn timeline(page: &mut String, hours: &BTreeMap<String, (u32, u32)>) {
    let columns: Vec<(&str, (u32, u32))> = hours.iter().map(|(h, n)| (h.as_str(), *n)).collect();
    let step = columns.len().div_ceil(MAX_COLUMNS).max(1);
    let columns: Vec<(&str, u32, u32)> = columns
        .chunks(step)
        .map(|c| {
            (
                c[0].0,
                c.iter().map(|x| x.1.0).sum(),
                c.iter().map(|x| x.1.1).sum(),
            )
        })
        .collect();
    let max = columns.iter().map(|c| c.1).max().unwrap_or(1).max(1);
    let (first, last) = (
        columns.first().map_or("", |c| c.0),
        columns.last().map_or("", |c| c.0),
    );
    page.push_str(
        "<h2>When</h2><svg class=\"timeline\" viewBox=\"0 0 960 110\" preserveAspectRatio=\"none\" \
         role=\"img\" aria-label=\"posts over time\">",
    );
    let wide = 960.0 / columns.len().max(1) as f64;
    for (i, (hour, all, hit)) in columns.iter().enumerate() {
        let x = i as f64 * wide;
        for (class, n) in [("all", all), ("hit", hit)] {
            let height = 100.0 * f64::from(*n) / f64::from(max);
            let _ = write!(
                page,
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\">\
                 <title>{}: {all} posts, {hit} with leaked material</title></rect>",
                100.0 - height,
                (wide * 0.85).max(0.5),
                escape(hour),
            );
        }
    }
    let _ = write!(
        page,
        "</svg><p class=\"quiet\">{} to {}, {}; coloured: with leaked material; the highest column is {max} posts.</p>",
        escape(first),
        escape(last),
        if step == 1 {
            "by the hour".to_owned()
        } else {
            format!("{step} hours per column")
        },
    );
}

fn account_section(
    page: &mut String,
    args: &Args,
    account: &Account,
    hits: Vec<Hit>,
    left: &mut usize,
    limits: &Limits,
) {
    let _ = write!(
        page,
        "<section><h2 id=\"a{}\">{}. {} <span class=\"{v}\">{v}</span></h2><p>{}</p>",
        account.rank,
        account.rank,
        escape(&account.account),
        escape(&account.reasons.join("; ")),
        v = account.verdict.as_str(),
    );
    let shown = hits.len().min(MAX_POSTS_OF_ACCOUNT).min(*left);
    *left -= shown;
    let hidden = hits.len() - shown;
    // Posts that post an item before those that only quote one, each in order.
    let mut hits = hits;
    hits.sort_by_key(|hit| !hit.found.matches.iter().any(is_posted));
    for hit in hits.iter().take(shown) {
        post_section(page, args, hit, limits);
    }
    if hidden > 0 {
        let _ = write!(
            page,
            "<p class=\"quiet\">and {hidden} more posts, see the output file.</p>"
        );
    }
    page.push_str("</section>");
}

fn post_section(page: &mut String, args: &Args, hit: &Hit, limits: &Limits) {
    let _ = write!(
        page,
        "<h3>{} <span class=\"quiet\">{}</span></h3>",
        escape(&hit.post.id),
        escape(&hit.post.time)
    );
    for found in hit.found.matches.iter().take(MAX_ITEMS_OF_POST) {
        let _ = write!(
            page,
            "<article class=\"match\"><header><b>{}</b><span>{} {:.2}</span></header>",
            escape(&found.item),
            found.strength,
            found.score
        );
        if let Some(located) = found.evidence.first() {
            let _ = write!(page, "<p class=\"quiet\">{}</p>", escape(&summary(located)));
            page.push_str("<div class=\"sides\">");
            query_side(page, args, hit, located, limits);
            item_side(page, args, &found.item, &located.evidence, limits);
            page.push_str("</div>");
        }
        page.push_str("</article>");
    }
    let more = hit.found.matches.len().saturating_sub(MAX_ITEMS_OF_POST);
    if more > 0 {
        let _ = write!(
            page,
            "<p class=\"quiet\">and {more} more items, see the output file.</p>"
        );
    }
}

/// The evidence in one sentence.
fn summary(located: &Located) -> String {
    let what = match &located.evidence {
        Evidence::Bytes { .. } => "the same bytes".to_owned(),
        Evidence::Pixels { .. } => "the same pixels".to_owned(),
        Evidence::Image {
            distance, inverted, ..
        } => format!(
            "the same picture, {distance} of 256 bits differ{}",
            if *inverted { ", colours inverted" } else { "" }
        ),
        Evidence::Region {
            agreed,
            compared,
            of_item,
            mirrored,
            inverted,
            ..
        } => format!(
            "a part of the picture: {agreed} of {compared} details agree, {:.0} % of the item is \
             visible{}{}",
            100.0 * of_item,
            if *mirrored { ", mirrored" } else { "" },
            if *inverted { ", colours inverted" } else { "" }
        ),
        Evidence::Text {
            covered,
            discounted,
            ..
        } => {
            format!(
                "{covered} letters and digits in the same order as in the item, {discounted} discounted"
            )
        }
        Evidence::Record { rows, cells, .. } => {
            let rows: Vec<String> = rows.iter().take(8).map(u32::to_string).collect();
            format!("{cells} values from the item's rows {}", rows.join(", "))
        }
        Evidence::Code {
            distance,
            gradient_distance,
            ..
        } => {
            let second = match gradient_distance {
                Some(distance) => format!("of its second print {distance}"),
                None => "with no second print to confirm it".to_owned(),
            };
            format!("the hash of a listed picture, {distance} of 256 bits differ, {second}")
        }
        other => other.kind().to_owned(),
    };
    format!("{what} (in {})", located.source)
}

/// The parts of the query and of the item, and the places in them.
struct Places<'e> {
    part: &'e PartPath,
    item_part: &'e PartPath,
    region: Option<[u32; 4]>,
    item_region: Option<[u32; 4]>,
    span: Option<[u32; 2]>,
    item_span: Option<[u32; 2]>,
}

fn places(evidence: &Evidence) -> Places<'_> {
    let (part, item_part) = evidence.parts();
    let mut places = Places {
        part,
        item_part,
        region: None,
        item_region: None,
        span: None,
        item_span: None,
    };
    match evidence {
        Evidence::Region {
            region,
            item_region,
            ..
        } => {
            (places.region, places.item_region) = (Some(*region), Some(*item_region));
        }
        // Recognised text is located by its region in the picture.
        Evidence::Text {
            query_span,
            item_span,
            region,
            ..
        } => {
            places.region = *region;
            places.span = region.is_none().then_some(*query_span);
            places.item_span = Some(*item_span);
        }
        Evidence::Record {
            query_span, region, ..
        } => {
            places.region = *region;
            places.span = region.is_none().then_some(*query_span);
        }
        _ => {}
    }
    places
}

fn query_side(page: &mut String, args: &Args, hit: &Hit, located: &Located, limits: &Limits) {
    let places = places(&located.evidence);
    if located.source == "text" {
        passage(page, "the post", &hit.post.text, places.span);
        return;
    }
    let bytes = read_media(&args.base, &located.source, limits.input_bytes);
    let shown = bytes
        .ok()
        .and_then(|bytes| show::part(&bytes, &located.source, places.part, limits));
    side(page, "the post", shown, places.region, places.span);
}

/// The item's side: its content if the originals are given, otherwise its name and place.
fn item_side(page: &mut String, args: &Args, item: &str, evidence: &Evidence, limits: &Limits) {
    let places = places(evidence);
    let original = args.originals.as_ref().and_then(|folder| {
        let bytes = read_media(folder, item, limits.input_bytes).ok()?;
        show::part(&bytes, item, places.item_part, limits)
    });
    if original.is_some() {
        side(
            page,
            "the item",
            original,
            places.item_region,
            places.item_span,
        );
        return;
    }
    let part = match places.item_part.as_str() {
        "" => String::new(),
        part => format!(", {part}"),
    };
    let place = match (places.item_region, places.item_span) {
        (Some([x, y, w, h]), _) => format!(": {w} x {h} pixels at {x}, {y}"),
        (_, Some([start, end])) => format!(": characters {start} to {end}"),
        _ => ": all of it".to_owned(),
    };
    let _ = write!(
        page,
        "<figure><figcaption>the item</figcaption><blockquote>{}{}</blockquote></figure>",
        escape(item),
        escape(&format!("{part}{place}"))
    );
}

fn side(
    page: &mut String,
    who: &str,
    shown: Option<Shown>,
    region: Option<[u32; 4]>,
    span: Option<[u32; 2]>,
) {
    match shown {
        Some(Shown::Picture(picture)) => self::picture(page, who, &picture, region),
        Some(Shown::Text(text)) => passage(page, who, &text, span),
        None => {
            let _ = write!(
                page,
                "<figure><figcaption>{who}</figcaption><blockquote>cannot be shown</blockquote></figure>"
            );
        }
    }
}

fn picture(page: &mut String, who: &str, picture: &Picture, region: Option<[u32; 4]>) {
    let Picture { width, height, url } = picture;
    let _ = write!(
        page,
        "<figure><svg class=\"picture\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{who}\">\
         <image href=\"{url}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\"/>"
    );
    if let Some([x, y, w, h]) = region {
        let _ = write!(
            page,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/>"
        );
    }
    let _ = write!(page, "</svg><figcaption>{who}</figcaption></figure>");
}

fn passage(page: &mut String, who: &str, text: &str, span: Option<[u32; 2]>) {
    let [before, within, after] = match span {
        Some(span) => show::passage(text, span),
        None => [
            text.chars().take(600).collect(),
            String::new(),
            String::new(),
        ],
    };
    let _ = write!(
        page,
        "<figure><blockquote>{}<mark>{}</mark>{}</blockquote><figcaption>{who}</figcaption></figure>",
        escape(&before),
        escape(&within),
        escape(&after)
    );
}
