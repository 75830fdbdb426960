//! The code as the compiler sees it: one module for each file, without its tests, and the modules that it uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// Where a file is in its crate: `["flows", "start_run"]`. The crate's root is empty.
pub(crate) type ModulePath = Vec<String>;

pub(crate) struct Module {
    pub(crate) file: PathBuf,
    /// Paths from the crate's root that the code names, in `use` lines or elsewhere, outside tests.
    pub(crate) named: BTreeSet<ModulePath>,
    /// Whether an item follows the tests.
    pub(crate) has_code_after_tests: bool,
}

/// Every module of the crate whose sources are in `src`. A file of tests alone is not one.
pub(crate) fn modules(src: &Path) -> BTreeMap<ModulePath, Module> {
    let mut files = Vec::new();
    collect(src, &mut files);
    let parsed: Vec<_> =
        files.into_iter().map(|file| (module_path(src, &file), parse(&file), file)).collect();
    let test_roots: BTreeSet<ModulePath> = parsed
        .iter()
        .flat_map(|(path, ast, _)| {
            let tests = ast.items.iter().filter_map(|item| match item {
                Item::Mod(module) if is_test(&module.attrs) => Some(module.ident.to_string()),
                _ => None,
            });
            tests.map(|name| [path.as_slice(), &[name]].concat()).collect::<Vec<_>>()
        })
        .collect();
    let is_of_tests = |path: &ModulePath| (1..=path.len()).any(|length| test_roots.contains(&path[..length]));
    parsed
        .into_iter()
        .filter(|(path, ..)| !is_of_tests(path))
        .map(|(path, ast, file)| {
            let mut reader = Reader { module: path.clone(), named: BTreeSet::new() };
            reader.visit_file(&ast);
            let first_tests = ast.items.iter().position(|item| is_test(attributes(item)));
            let has_code_after_tests =
                first_tests.is_some_and(|at| ast.items[at..].iter().any(|item| !is_test(attributes(item))));
            (path, Module { file, named: reader.named, has_code_after_tests })
        })
        .collect()
}

/// The module in which what `named` names is defined: the longest path that is a file.
pub(crate) fn definer<'a>(
    modules: &'a BTreeMap<ModulePath, Module>,
    named: &[String],
) -> Option<&'a ModulePath> {
    (1..=named.len()).rev().find_map(|length| modules.get_key_value(&named[..length])).map(|(path, _)| path)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn module_path(src: &Path, file: &Path) -> ModulePath {
    let relative = file.strip_prefix(src).unwrap().with_extension("");
    let mut path: ModulePath = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if path.last().is_some_and(|name| ["mod", "lib"].contains(&name.as_str())) {
        path.pop();
    }
    path
}

fn parse(file: &Path) -> syn::File {
    let text = fs::read_to_string(file).unwrap();
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

struct Reader {
    module: ModulePath,
    named: BTreeSet<ModulePath>,
}

impl Reader {
    fn name(&mut self, segments: &[String]) {
        let Some(first) = segments.first() else { return };
        let mut path = match first.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => self.module.clone(),
            // Another crate, a type in scope or a module below this one.
            _ => [self.module.as_slice(), &segments[..1]].concat(),
        };
        for segment in &segments[1..] {
            path.push(segment.clone());
        }
        if first == "super" {
            let ups = segments.iter().take_while(|segment| *segment == "super").count();
            path.truncate(self.module.len().saturating_sub(ups));
            path.extend(segments[ups..].iter().cloned());
        }
        self.named.insert(path);
    }

    fn name_tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.name_tree(&with(&path.ident), &path.tree),
            UseTree::Name(name) if name.ident == "self" => self.name(before),
            UseTree::Name(name) => self.name(&with(&name.ident)),
            UseTree::Rename(rename) => self.name(&with(&rename.ident)),
            UseTree::Glob(_) => self.name(before),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.name_tree(before, tree)),
        }
    }

    /// What a macro is given is not parsed, so paths are looked for among its tokens.
    fn name_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if path.is_empty() || colons == 2 => path.push(ident.to_string()),
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() && colons < 2 => {
                    colons += 1;
                    continue;
                }
                other => {
                    self.name(&std::mem::take(&mut path));
                    match other {
                        TokenTree::Group(group) => self.name_tokens(group.stream()),
                        TokenTree::Ident(ident) => path.push(ident.to_string()),
                        TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                    }
                }
            }
            colons = 0;
        }
        self.name(&path);
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.name_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.name(&segments);
        visit::visit_path(self, path);
    }

    // `pub(in crate::cli)` says who may use a thing and uses nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.name_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}
