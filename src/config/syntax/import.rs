//! Reads a file and everything that it imports, and inserts snippets.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;
use std::sync::Arc;

use globset::GlobBuilder;

use super::super::diagnostic::{Diagnostic, Position};
use super::super::findings::{Findings, join};
use super::super::limits;
use super::environment::Variables;
use super::fill::{Budget, fill};
use super::lexer::{Environment, Token, tokenize};
use super::tree::{Node, build, excerpt};

/// A Caddyfile with its imports inserted.
pub(crate) struct Document {
    /// The top of the file.
    pub(crate) nodes: Vec<Node>,
    /// The blocks `&(name)`, which `invoke` inserts.
    pub(crate) named_routes: HashMap<String, Vec<Node>>,
    /// Every file that was read.
    pub(crate) sources: Vec<PathBuf>,
}

/// Reads the text of the file `origin`, and the files and snippets that it imports.
pub(crate) fn read_document(text: &str, origin: &Path, env: &Environment<'_>, findings: &mut Findings) -> Document {
    let mut importer = Importer {
        env,
        findings,
        snippets: HashMap::new(),
        named_routes: HashMap::new(),
        chain: vec![Link::File(identity(origin))],
        sources: vec![origin.to_path_buf()],
        nodes_left: limits::NODES_MAX,
        budget: Budget::new(),
    };
    let nodes = importer.parse(text, origin);
    let nodes = importer.expand(nodes, None);
    let mut named_routes = HashMap::new();
    // An import in a named route may add more of them.
    while let Some(name) = importer.named_routes.keys().next().cloned() {
        let block = importer.named_routes.remove(&name).unwrap_or_default();
        named_routes.insert(name, importer.expand(block, None));
    }
    Document { nodes, named_routes, sources: importer.sources }
}

/// Reads a configuration file, which must be a regular file of bounded size in UTF-8.
///
/// # Errors The problem with the file, as the end of a sentence about it.
pub(crate) fn read_file(path: &Path) -> Result<String, Unreadable> {
    let file = open_regular(path).map_err(|error| Unreadable::whole(error.to_string()))?;
    let mut bytes = Vec::new();
    let reading = file.take(limits::FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    reading.map_err(|error| Unreadable::whole(error.to_string()))?;
    if bytes.len() as u64 > limits::FILE_BYTES_MAX {
        return Err(Unreadable::whole(format!("it is larger than {} bytes", limits::FILE_BYTES_MAX)));
    }
    String::from_utf8(bytes).map_err(|error| not_utf8(&error))
}

/// Opens a file without blocking: opening a FIFO waits until its other end is opened, maybe forever.
///
/// # Errors It cannot be opened, or is not a regular file.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

/// Why a configuration file cannot be read.
pub(crate) struct Unreadable {
    /// The end of a sentence about the file.
    pub(crate) reason: String,
    /// The line and the column, both from 1, if the error has one place.
    pub(crate) place: Option<(usize, usize)>,
}

impl Unreadable {
    fn whole(reason: String) -> Self {
        Self { reason, place: None }
    }
}

/// The place where a text stops being UTF-8.
pub(crate) fn not_utf8(error: &FromUtf8Error) -> Unreadable {
    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let byte = error.as_bytes().get(good.len()).copied().unwrap_or_default();
    let line_start = good.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let line = good.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let column = String::from_utf8_lossy(&good[line_start..]).chars().count() + 1;
    let reason = format!("line {line}, column {column}: the byte {byte:#04x} is not valid UTF-8");
    Unreadable { reason, place: Some((line, column)) }
}

/// One step of a chain of imports.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Link {
    Snippet(String),
    File(PathBuf),
}

impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Snippet(name) => write!(f, "({name})"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

struct Importer<'a, 'e> {
    env: &'a Environment<'e>,
    findings: &'a mut Findings,
    snippets: HashMap<String, Snippet>,
    named_routes: HashMap<String, Vec<Node>>,
    chain: Vec<Link>,
    sources: Vec<PathBuf>,
    nodes_left: usize,
    budget: Budget,
}

/// A block `(name)`.
struct Snippet {
    lines: Arc<Vec<Node>>,
    /// About its variables; reported by its first import.
    findings: Findings,
}

/// The arguments and blocks of an import, for the inserted text.
#[derive(Clone, Copy)]
struct Given<'i> {
    /// The words after the name of the snippet or file: `{args[0]}`.
    arguments: &'i [Token],
    /// The block behind them: `{block}`, and `{blocks.NAME}` for a block in it.
    block: &'i [Node],
}

impl Given<'_> {
    /// Replaces a line that is only `{block}` or `{blocks.NAME}`; `None` for every other line.
    fn block_for(&self, node: &Node) -> Option<&[Node]> {
        let [word] = node.words.as_slice() else { return None };
        if word.quoted || node.block.is_some() {
            return None;
        }
        if word.text == "{block}" {
            return Some(self.block);
        }
        let name = word.text.strip_prefix("{blocks.")?.strip_suffix('}')?;
        let named = self.block.iter().find(|node| node.name() == name && node.words.len() == 1);
        Some(named.map(Node::children).unwrap_or_default())
    }
}

impl Importer<'_, '_> {
    /// The tree of one file, without its snippets, which are kept.
    fn parse(&mut self, text: &str, path: &Path) -> Vec<Node> {
        let file: Arc<Path> = Arc::from(path);
        let lines = match tokenize(text, &file, self.env) {
            Ok(words) => {
                self.findings.note_empty_variables(&file, words.empty);
                words.lines
            }
            Err(error) => {
                self.findings.report(error);
                return Vec::new();
            }
        };
        let mut nodes = build(lines, self.findings);
        nodes.retain_mut(|node| {
            let mut findings = Findings::default();
            Variables { env: self.env, findings: &mut findings, budget: &mut self.budget }.fill_node(node);
            let Some(findings) = self.take_snippet(node, findings) else { return false };
            self.findings.adopt(findings);
            true
        });
        nodes
    }

    fn take_named_route(&mut self, name: &str, node: &Node, position: &Position) {
        let block = node.block.clone().unwrap_or_default();
        if name.is_empty() || node.block.is_none() {
            self.error(position, "a named route needs a name and a block", "write `&(name) {`");
        } else if self.named_routes.insert(name.to_owned(), block).is_some() {
            let message = format!("the named route `&({})` is defined twice", excerpt(name));
            self.error(position, &message, "rename one of them");
        }
    }

    /// Keeps `node` if it is a snippet or named route, which are not part of the tree; else returns its findings.
    fn take_snippet(&mut self, node: &Node, findings: Findings) -> Option<Findings> {
        let [word] = node.words.as_slice() else { return Some(findings) };
        if word.quoted || !word.text.ends_with(')') {
            return Some(findings);
        }
        if let Some(name) = word.text.strip_prefix("&(").and_then(|rest| rest.strip_suffix(')')) {
            self.findings.adopt(findings);
            self.take_named_route(name, node, &word.position);
            return None;
        }
        let Some(name) = word.text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) else {
            return Some(findings);
        };
        if name.is_empty() {
            self.error(&word.position, "a snippet needs a name", "write `(name) {`");
        } else if let Some(block) = &node.block {
            let snippet = Snippet { lines: Arc::new(block.clone()), findings };
            if self.snippets.insert(name.to_owned(), snippet).is_some() {
                let message = format!("the snippet `({})` is defined twice", excerpt(name));
                self.error(&word.position, &message, "rename one of them");
            }
        } else {
            let message = format!("the snippet `({})` has no block", excerpt(name));
            self.error(&word.position, &message, "write `(name) {`, its directives, and `}`");
        }
        None
    }

    /// Appends the nodes of an import to `nodes`, and replaces the imports in them.
    fn expand(&mut self, nodes: Vec<Node>, given: Option<Given<'_>>) -> Vec<Node> {
        let mut expanded = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            if !self.spend_node(&node.position) {
                break;
            }
            if let Some(block) = given.as_ref().and_then(|given| given.block_for(&node)) {
                // Everything is inserted already; this counts the lines.
                expanded.extend(self.expand(block.to_vec(), None));
                continue;
            }
            if let Some(given) = given {
                self.fill_arguments(&mut node.words, given.arguments);
            }
            if node.words.first().is_some_and(|word| word.is_bare("import")) {
                expanded.extend(self.import(node, given));
                continue;
            }
            if let Some(block) = node.block.take() {
                node.block = Some(self.expand(block, given));
            }
            expanded.push(node);
        }
        expanded
    }

    /// Counts a directive, and reports the first one beyond a bound.
    fn spend_node(&mut self, position: &Position) -> bool {
        if self.budget.is_exceeded() && self.nodes_left > 0 {
            let message = format!("arguments and variables add more than {} bytes", limits::FILLED_BYTES_MAX);
            self.error(position, &message, "look for imports whose arguments repeat their own arguments");
            self.nodes_left = 0;
        } else if self.nodes_left == 1 {
            let message = format!("the configuration has more than {} lines with its imports", limits::NODES_MAX);
            self.error(position, &message, "look for snippets that import each other more than once");
        }
        self.nodes_left = self.nodes_left.saturating_sub(1);
        self.nodes_left > 0
    }

    fn import(&mut self, mut node: Node, outer: Option<Given<'_>>) -> Vec<Node> {
        let block = node.block.take().map(|block| self.expand(block, outer)).unwrap_or_default();
        let Some((target, arguments)) = node.args().split_first() else {
            self.error(&node.position, "`import` needs a snippet or a file", "write `import NAME [ARGUMENT…]`");
            return Vec::new();
        };
        let given = Given { arguments, block: &block };
        if let Some(snippet) = self.snippets.get_mut(&target.text) {
            let lines = Arc::clone(&snippet.lines);
            self.findings.adopt(std::mem::take(&mut snippet.findings));
            let link = Link::Snippet(target.text.clone());
            return self.follow(link, target, |importer| importer.expand(lines.to_vec(), Some(given)));
        }
        let mut imported = Vec::new();
        for path in self.files(target) {
            let link = Link::File(identity(&path));
            imported.extend(self.follow(link, target, |importer| importer.import_file(&path, target, given)));
        }
        imported
    }

    /// Runs `import` with `link` on the chain, unless the chain is a cycle or too deep.
    fn follow(&mut self, link: Link, target: &Token, import: impl FnOnce(&mut Self) -> Vec<Node>) -> Vec<Node> {
        if let Some(start) = self.chain.iter().position(|earlier| *earlier == link) {
            let names: Vec<String> = self.chain[start..].iter().chain([&link]).map(Link::to_string).collect();
            let message = format!("import cycle: {}", names.join(" → "));
            self.findings.report(Diagnostic::error(&target.position, message));
            return Vec::new();
        }
        if self.chain.len() > limits::IMPORT_DEPTH_MAX {
            let message = format!("imports are nested more than {} deep here", limits::IMPORT_DEPTH_MAX);
            self.findings.report(Diagnostic::error(&target.position, message));
            return Vec::new();
        }
        self.chain.push(link);
        let nodes = import(self);
        self.chain.pop();
        nodes
    }

    fn import_file(&mut self, path: &Path, target: &Token, given: Given<'_>) -> Vec<Node> {
        match read_file(path) {
            Ok(text) => {
                if !self.sources.iter().any(|source| source == path) {
                    self.sources.push(path.to_path_buf());
                }
                let nodes = self.parse(&text, path);
                self.expand(nodes, Some(given))
            }
            Err(Unreadable { reason, .. }) => {
                let message = format!("cannot import `{}`: {reason}", path.display());
                self.findings.report(Diagnostic::error(&target.position, message));
                Vec::new()
            }
        }
    }

    /// What an import could have named instead of this file.
    fn known_imports(&self, path: &Path) -> String {
        let mut known: Vec<&str> = self.snippets.keys().map(String::as_str).collect();
        known.sort_unstable();
        if known.is_empty() {
            return format!("there is no file `{}`, and no snippet is defined", path.display());
        }
        format!("there is no file `{}`; the snippets are: {}", path.display(), known.join(", "))
    }

    /// The files that an import names, searched beside the file with the import.
    fn files(&mut self, target: &Token) -> Vec<PathBuf> {
        let directory = target.position.file.parent().unwrap_or(Path::new(""));
        if !target.text.contains(['*', '?', '[']) {
            let path = join(directory, Path::new(&target.text));
            if !target.text.is_empty() && path.exists() {
                return vec![path];
            }
            let hint = self.known_imports(&path);
            self.error(&target.position, &format!("nothing to import is named `{}`", excerpt(&target.text)), &hint);
            return Vec::new();
        }
        match matching_files(directory, &target.text) {
            Ok(files) if files.is_empty() => {
                let message = format!("no file matches the import `{}`", excerpt(&target.text));
                self.findings.report(Diagnostic::warning(&target.position, message));
                files
            }
            Ok(files) => files,
            Err(reason) => {
                let message = format!("cannot import `{}`: {reason}", excerpt(&target.text));
                self.findings.report(Diagnostic::error(&target.position, message));
                Vec::new()
            }
        }
    }

    /// Inserts `{args[N]}`, and replaces a word `{args[A:B]}` by that range of arguments.
    fn fill_arguments(&mut self, words: &mut Vec<Token>, arguments: &[Token]) {
        let mut filled = Vec::with_capacity(words.len());
        for mut word in words.drain(..) {
            if !word.text.contains("{args") {
                filled.push(word);
                continue;
            }
            if let Some(range) = whole_range(&word, arguments.len()) {
                let affordable = arguments[range].iter().take_while(|argument| self.budget.spend(&argument.text));
                filled.extend(affordable.map(|argument| Token { position: word.position.clone(), ..argument.clone() }));
                continue;
            }
            let mut missing = None;
            let mut pick = |index: &str| {
                let index: usize = index.trim_end_matches(']').parse().ok()?;
                let text = arguments.get(index).map(|argument| argument.text.clone());
                if text.is_none() {
                    missing = Some(index);
                }
                text
            };
            word.text = fill(&word.text, "{args[", &mut self.budget, &mut pick);
            word.text = fill(&word.text, "{args.", &mut self.budget, &mut pick);
            if let Some(index) = missing {
                let message = format!("argument {index} was not given to this import");
                let hint = format!("it was given {} of them, counted from 0", arguments.len());
                self.error(&word.position, &message, &hint);
            }
            filled.push(word);
        }
        *words = filled;
    }

    fn error(&mut self, position: &Position, message: &str, hint: &str) {
        self.findings.report(Diagnostic::error(position, message).with_hint(hint));
    }
}

/// Identifies a file in a chain of imports, independent of its spelling.
fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| join(Path::new(""), path))
}

/// The range of a bare word `{args[A:B]}`.
fn whole_range(word: &Token, count: usize) -> Option<std::ops::Range<usize>> {
    let range = word.text.strip_prefix("{args[")?.strip_suffix("]}")?;
    let (from, to) = range.split_once(':').filter(|_| !word.quoted)?;
    let from = if from.is_empty() { 0 } else { from.parse().ok()? };
    let to = if to.is_empty() { count } else { to.parse().ok()? };
    let to = to.min(count);
    Some(from.min(to)..to)
}

/// The files that match a pattern, sorted. Only the last part of the path may have wildcards.
fn matching_files(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let full = join(directory, Path::new(pattern));
    let name = full.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let folder = full.parent().unwrap_or(Path::new(""));
    if pattern.rsplit_once('/').is_some_and(|(folders, _)| folders.contains(['*', '?', '['])) {
        return Err("wildcards can stand behind the last `/` only".to_owned());
    }
    let glob = GlobBuilder::new(name).literal_separator(true).build().map_err(|error| error.kind().to_string())?;
    let glob = glob.compile_matcher();
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = std::fs::read_dir(listed) else { return Ok(Vec::new()) };
    let hidden = name.starts_with('.');
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name())
        .filter(|entry| glob.is_match(entry) && (hidden || !entry.to_string_lossy().starts_with('.')))
        .map(|entry| folder.join(entry))
        .filter(|path| path.is_file())
        .take(limits::IMPORT_FILES_MAX + 1)
        .collect();
    if files.len() > limits::IMPORT_FILES_MAX {
        return Err(format!("more than {} files match it", limits::IMPORT_FILES_MAX));
    }
    files.sort();
    Ok(files)
}
