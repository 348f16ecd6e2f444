//! The structure of `src`: no files that import each other in a circle, and modules that import
//! only what is below them in the section "Layers" of ARCHITECTURE.md.
//!
//! Reads the source as text: `use` declarations and paths, re-exports resolved to the file that
//! defines the name. A file may use its own parent modules. Code under `cfg(test)` and `cfg(doc)`
//! does not count.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

/// Modules by path, such as `["media", "walk"]`; the root of the crate is empty.
type Module = Vec<String>;

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles = Graph::new(&sources()).circles();
    assert!(
        circles.is_empty(),
        "move what these files share into a file below them:\n{}",
        circles.join("\n")
    );
}

#[test]
fn modules_import_only_what_is_below_them() {
    let document = read("ARCHITECTURE.md");
    let layers = layers(&document);
    let problems = Graph::new(&sources()).against(&layers);
    assert!(
        problems.is_empty(),
        "against the section \"Layers\" of ARCHITECTURE.md:\n{}",
        problems.join("\n")
    );
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The text of every file of `src`.
fn sources() -> BTreeMap<Module, String> {
    fn collect(folder: &Path, module: &[String], sources: &mut BTreeMap<Module, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let mut module = module.to_vec();
            if path.is_dir() {
                module.push(name);
                collect(&path, &module, sources);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                if name != "mod" && name != "lib" {
                    module.push(name);
                }
                sources.insert(module, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut sources = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    collect(&root, &[], &mut sources);
    assert!(sources.len() > 100, "{} files in src", sources.len());
    sources
}

/// The lines of the first code block below the heading "Layers", the lowest first.
fn layers(document: &str) -> Vec<Vec<&str>> {
    let (_, section) = document.split_once("\n## Layers\n").expect("a section");
    let mut lines = section.lines().skip_while(|line| !line.starts_with("```"));
    lines.next().expect("a code block");
    let lines = lines.take_while(|line| !line.starts_with("```"));
    let mut layers: Vec<Vec<&str>> = lines
        .map(|line| line.split_whitespace().collect())
        .collect();
    layers.reverse();
    layers
}

/// Which file imports which.
struct Graph {
    edges: BTreeMap<Module, BTreeSet<Module>>,
}

impl Graph {
    fn new(sources: &BTreeMap<Module, String>) -> Self {
        let mut files: BTreeMap<&Module, File> = sources
            .iter()
            .map(|(module, source)| (module, File::parse(source)))
            .collect();
        let test_modules: Vec<Module> = files
            .iter()
            .flat_map(|(module, file)| file.test_modules.iter().map(|name| child(module, name)))
            .collect();
        files.retain(|module, _| !test_modules.iter().any(|test| module.starts_with(test)));
        let mut edges = BTreeMap::new();
        for (&module, file) in &files {
            let imports = file.imports.iter().filter_map(|import| {
                let target = resolve(&files, module, &import.path, 0)?;
                let re_exports_child = import.public && target.starts_with(module);
                (!re_exports_child && !module.starts_with(&target)).then_some(target)
            });
            edges.insert(module.clone(), imports.collect());
        }
        Self { edges }
    }

    /// One shortest circle through each file that is in one, a line each.
    fn circles(&self) -> Vec<String> {
        let mut circles = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for start in self.edges.keys() {
            if seen.contains(start) {
                continue;
            }
            if let Some(circle) = self.path_back(start) {
                seen.extend(circle.iter().cloned());
                let names: Vec<String> = circle.iter().chain([start]).map(name).collect();
                circles.insert(names.join(" -> "));
            }
        }
        circles.into_iter().collect()
    }

    /// The shortest way from a file to itself.
    fn path_back(&self, start: &Module) -> Option<Vec<Module>> {
        let mut before: HashMap<&Module, &Module> = HashMap::new();
        let mut reached = vec![start];
        let mut at = 0;
        while let Some(&module) = reached.get(at) {
            at += 1;
            for next in self.edges.get(module).into_iter().flatten() {
                if next == start {
                    let mut path = vec![module.clone()];
                    let mut last = module;
                    while let Some(&earlier) = before.get(last) {
                        path.push(earlier.clone());
                        last = earlier;
                    }
                    path.reverse();
                    return Some(path);
                }
                if !before.contains_key(next) {
                    before.insert(next, module);
                    reached.push(next);
                }
            }
        }
        None
    }

    /// The imports that violate the order of `layers`, the lowest first.
    fn against(&self, layers: &[Vec<&str>]) -> Vec<String> {
        let layer = |module: &Module| {
            let top = module.first()?.as_str();
            layers.iter().position(|names| names.contains(&top))
        };
        let mut problems = BTreeSet::new();
        for (module, imports) in &self.edges {
            // The root declares and re-exports everything.
            let Some(top) = module.first() else { continue };
            let Some(own) = layer(module) else {
                problems.insert(format!("{top} is in no layer"));
                continue;
            };
            for import in imports.iter().filter(|import| import.first() != Some(top)) {
                if layer(import).is_none_or(|other| other >= own) {
                    let (from, to) = (name(module), name(import));
                    problems.insert(format!("{from} imports {to}, which is not below it"));
                }
            }
        }
        for listed in layers.iter().flatten() {
            if !self.edges.contains_key(&vec![(*listed).to_owned()]) {
                problems.insert(format!("there is no module {listed}"));
            }
        }
        problems.into_iter().collect()
    }
}

fn name(module: &Module) -> String {
    if module.is_empty() {
        "lib".to_owned()
    } else {
        module.join("::")
    }
}

fn child(module: &Module, name: &str) -> Module {
    let mut module = module.clone();
    module.push(name.to_owned());
    module
}

/// The file that defines what `path` names in `module`; `None` for another crate's.
fn resolve(
    files: &BTreeMap<&Module, File>,
    module: &Module,
    path: &[String],
    depth: usize,
) -> Option<Module> {
    // Names that are re-exported through more modules than this are not in this crate.
    const MAX_DEPTH: usize = 16;
    let (first, rest) = path.split_first()?;
    let mut absolute: Module = match first.as_str() {
        "crate" => rest.to_vec(),
        "self" => [module.as_slice(), rest].concat(),
        "super" => {
            let ups = path.iter().take_while(|step| *step == "super").count();
            let parent = module.get(..module.len().checked_sub(ups)?)?;
            [parent, &path[ups..]].concat()
        }
        name if files.contains_key(&child(module, name)) => [module.as_slice(), path].concat(),
        name => {
            let alias = files.get(module)?.names.get(name)?;
            if depth > MAX_DEPTH || alias == path {
                return None;
            }
            let path = [alias.as_slice(), rest].concat();
            return resolve(files, module, &path, depth + 1);
        }
    };
    let known = (0..=absolute.len())
        .rev()
        .find(|&len| files.contains_key(&absolute[..len].to_vec()))?;
    let rest = absolute.split_off(known);
    if depth <= MAX_DEPTH
        && let Some(alias) = rest
            .first()
            .and_then(|name| files[&absolute].names.get(name))
        && !(absolute == *module && *alias == path)
        && let Some(target) = resolve(files, &absolute, alias, depth + 1)
    {
        return Some(target);
    }
    Some(absolute)
}

/// The relevant contents of a file.
#[derive(Default)]
struct File {
    imports: Vec<Import>,
    /// Imported names, and the paths they refer to.
    names: HashMap<String, Vec<String>>,
    /// Modules that exist under test only.
    test_modules: Vec<String>,
}

struct Import {
    path: Vec<String>,
    public: bool,
}

impl File {
    fn parse(source: &str) -> Self {
        let tokens = tokens(source);
        let mut file = Self::default();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if let Some(after) = after_hidden_attribute(&tokens[at..]) {
                at += after;
                let item = &tokens[at..at + item_len(&tokens[at..])];
                if let Some(mod_at) = item.iter().position(|token| token == "mod")
                    && item.get(mod_at + 2).is_some_and(|token| token == ";")
                {
                    file.test_modules.push(item[mod_at + 1].clone());
                }
                at += item.len();
            } else if token == "use" {
                let end = tokens[at..].iter().position(|token| token == ";");
                let end = at + end.expect("a use ends");
                let before = at.checked_sub(1).map(|before| tokens[before].as_str());
                let public = matches!(before, Some("pub" | ")"));
                file.uses(&mut tokens[at + 1..end].iter(), &[], public);
                at = end;
            } else if is_name(token) && tokens.get(at + 1).is_some_and(|token| token == "::") {
                let mut path = vec![token.clone()];
                while tokens.get(at + 1).is_some_and(|token| token == "::")
                    && let Some(step) = tokens.get(at + 2).filter(|token| is_name(token))
                {
                    path.push(step.clone());
                    at += 2;
                }
                file.imports.push(Import {
                    path,
                    public: false,
                });
                at += 1;
            } else {
                at += 1;
            }
        }
        file
    }

    /// Takes the tree of a `use` up to the end of its group.
    fn uses<'t>(
        &mut self,
        tokens: &mut impl Iterator<Item = &'t String>,
        prefix: &[String],
        public: bool,
    ) {
        let mut path = prefix.to_vec();
        let mut alias = None;
        let mut has_group = false;
        loop {
            match tokens.next().map(String::as_str) {
                Some("::") => {}
                Some("as") => alias = tokens.next().cloned(),
                Some("{") => {
                    has_group = true;
                    self.uses(tokens, &path, public);
                }
                Some(step) if is_name(step) => {
                    // `{self}` is the path before it.
                    if step != "self" || path.is_empty() {
                        path.push(step.to_owned());
                    }
                }
                Some("*") => {}
                end => {
                    if !has_group
                        && (path.len() > prefix.len() || end.is_none() || !path.is_empty())
                    {
                        if let Some(name) = alias.take().or_else(|| path.last().cloned()) {
                            self.names.insert(name, path.clone());
                        }
                        self.imports.push(Import {
                            path: path.clone(),
                            public,
                        });
                    }
                    if end != Some(",") {
                        return;
                    }
                    path = prefix.to_vec();
                    has_group = false;
                }
            }
        }
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The tokens of an attribute `#[cfg(test)]` or `#[cfg(doc)]` that these begin with.
fn after_hidden_attribute(tokens: &[String]) -> Option<usize> {
    ["test", "doc"].into_iter().find_map(|condition| {
        let attribute = ["#", "[", "cfg", "(", condition, ")", "]"];
        let begins = tokens.iter().take(attribute.len()).eq(attribute);
        begins.then_some(attribute.len())
    })
}

/// The tokens of an item: up to a semicolon or the end of its braces.
fn item_len(tokens: &[String]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth -= 1;
                if depth == 0 && token == "}" {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Names, `::` and single signs; no comments, and nothing of literals but quotes.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(len) = literal_len(rest) {
            tokens.push("\"".to_owned());
            len
        } else if is_name(rest) {
            let len = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            let len = len.unwrap_or(rest.len());
            tokens.push(rest[..len].to_owned());
            len
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !c.is_whitespace() {
                tokens.push(c.to_string());
            }
            c.len_utf8()
        };
        rest = &rest[len..];
    }
    tokens
}

/// The length of a string or a character that the text begins with.
fn literal_len(text: &str) -> Option<usize> {
    let body = text.strip_prefix('b').unwrap_or(text);
    let prefix = text.len() - body.len();
    if let Some(raw) = body.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let opened = raw[hashes..].strip_prefix('"')?;
        let close = format!("\"{}", "#".repeat(hashes));
        let end = opened.find(&close).unwrap_or(opened.len() - close.len());
        return Some(prefix + 1 + hashes + 1 + end + close.len());
    }
    let quote = body.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut escaped = false;
    for (at, c) in body.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote && (quote == '"' || at > 1) => return Some(prefix + at + 1),
            // A lifetime: no quote behind one character.
            _ if quote == '\'' && at > 1 && !body[1..].starts_with('\\') => return None,
            _ => {}
        }
    }
    None
}

mod the_check {
    use super::*;

    fn graph(files: &[(&str, &str)]) -> Graph {
        let files = files.iter().map(|&(module, source)| {
            let module = module.split("::").filter(|step| !step.is_empty());
            (module.map(str::to_owned).collect(), source.to_owned())
        });
        Graph::new(&files.collect())
    }

    #[test]
    fn a_circle_is_reported_however_it_is_written() {
        for (one, two) in [
            ("use crate::b::two::X;", "use crate::a::Y;"),
            ("use super::b::{self, two::X};", "fn f() { crate::a::y() }"),
            ("use crate::b::Renamed as R;", "pub use crate::{a::*, c};"),
            (
                "use crate::b; fn f() { b::Renamed::new() }",
                "type A = super::super::a::Y;",
            ),
            (
                "fn f<'a>(x: &'a str) -> char { 'x' } use crate::b::two;",
                "const Y: u8 = crate::a::Y;",
            ),
        ] {
            let circles = graph(&[
                ("", "mod a; mod b; mod c;"),
                ("a", one),
                ("b", "mod two; pub use two::X as Renamed;"),
                ("b::two", two),
                ("c", ""),
            ])
            .circles();
            assert_eq!(circles, ["a -> b::two -> a"], "{one} {two}");
        }
    }

    #[test]
    fn the_shortest_circle_is_reported() {
        let circles = graph(&[
            ("a", "use crate::{b::B, d::D};"),
            ("b", "use crate::c::C;"),
            ("c", "use crate::a::A;"),
            ("d", "use crate::a::A;"),
        ])
        .circles();
        assert_eq!(circles, ["a -> d -> a", "b -> c -> a -> b"]);
    }

    #[test]
    fn parents_tests_documentation_and_text_are_no_imports() {
        let graph = graph(&[
            ("", "mod a; mod b; mod c; pub use a::A;"),
            (
                "a",
                "mod inner; #[cfg(test)] mod tests; use inner::B; pub struct A;",
            ),
            ("a::inner", "use super::A; #[cfg(doc)] use crate::b::B;"),
            ("a::tests", "use crate::b::B;"),
            (
                "b",
                "use crate::A; // crate::c::C\n/* crate::c::C */ #[cfg(test)] mod tests { use crate::c::C; } \
                 const TEXT: &str = \"crate::c::C \\\" crate::c::C\"; const RAW: &str = r#\"crate::c::C\"#;",
            ),
            ("c", "use crate::b::B;"),
        ]);
        assert!(graph.circles().is_empty(), "{:?}", graph.circles());
        assert_eq!(graph.edges[&vec!["b".to_owned()]].len(), 1);
    }

    #[test]
    fn the_order_of_layers_is_checked() {
        let document =
            "# A\n\n## Layers\n\nText.\n\n```text\nhigh\nmiddle  other\nlow\n```\n\n## B\n";
        let layers = layers(document);
        assert_eq!(layers, [vec!["low"], vec!["middle", "other"], vec!["high"]]);
        let sound = [
            ("", "pub use high::H;"),
            ("high", "use crate::{low::L, middle::M};"),
            ("middle", "use crate::low::L;"),
            ("middle::part", "use super::M;"),
            ("other", ""),
            ("low", ""),
        ];
        assert!(graph(&sound).against(&layers).is_empty());
        let mut broken = sound.to_vec();
        broken[3].1 = "use crate::{other::O, high::H};";
        broken[4] = ("another", "");
        assert_eq!(
            graph(&broken).against(&layers),
            [
                "another is in no layer",
                "middle::part imports high, which is not below it",
                "there is no module other",
            ]
        );
    }
}
