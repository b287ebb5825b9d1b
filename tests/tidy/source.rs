//! A source file as tidy sees it: lines, words and paths, without comments and strings.
//!
//! This is no parser. It knows as much of Rust as is needed to tell code from text, to follow
//! braces into inline modules and to spread `use` trees into plain paths; rustfmt and the compiler
//! have looked at the rest.
//!
//! ```text
//!   text ──► tokens (words and marks, each with its line, module depth, "in a test module?")
//!                └──► paths  crate::base::time::Time, std::thread::spawn, …
//! ```

/// A file of the project: its path from the root, with `/`, and what was read from it.
pub struct Source {
    pub path: String,
    pub text: String,
    pub tokens: Vec<Token>,
    pub paths: Vec<Path>,
}

/// A word (`for`, `lane`, `255`) or a mark (`{`, `::`, a `"` standing for a whole string).
#[derive(Debug)]
pub struct Token {
    pub text: String,
    /// Counted from one.
    pub line: usize,
    /// How many inline modules lie around it.
    pub depth: usize,
    /// Inside `#[cfg(test)] mod … { }`, or in a file named `tests`.
    pub in_tests: bool,
}

/// A path as written, from `use` trees one for each leaf.
#[derive(Debug)]
pub struct Path {
    pub segments: Vec<String>,
    pub line: usize,
    pub depth: usize,
    pub in_tests: bool,
}

impl Source {
    /// Reads `text` as the file at `path`; only Rust files have tokens.
    pub fn new(path: &str, text: &str) -> Source {
        let mut tokens = Vec::new();
        if path.ends_with(".rs") {
            tokens = tokenize(text);
            place(&mut tokens, path);
        }
        let paths = paths(&tokens);
        Source {
            path: path.to_string(),
            text: text.to_string(),
            tokens,
            paths,
        }
    }

    /// The line's text, counted from one; empty beyond either end.
    pub fn line(&self, number: usize) -> &str {
        let lines = number.checked_sub(1);
        lines
            .and_then(|skipped| self.text.lines().nth(skipped))
            .unwrap_or("")
    }

    /// Does the line carry a reason for being an exception: `// tidy: owned time`?
    pub fn excused(&self, line: usize, reason: &str) -> bool {
        self.line(line).contains(&format!("// tidy: {reason}"))
    }

    /// Is it in this folder, or this file itself?
    pub fn is_in(&self, place: &str) -> bool {
        self.path == place || self.path.starts_with(&format!("{place}/"))
    }

    /// The room of `src` it belongs to: `src/pipe/lane.rs` and `src/pipe.rs` are in `pipe`.
    pub fn room(&self) -> Option<&str> {
        let inner = self.path.strip_prefix("src/")?;
        let name = inner.split('/').next()?;
        match name.strip_suffix(".rs") {
            Some("lib") => None,
            Some(stem) => Some(stem),
            None => Some(name),
        }
    }

    /// How many modules lie between the crate's root and this file's items.
    pub fn modules_deep(&self) -> usize {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let names = inner.split('/').count();
        if inner.ends_with("/mod.rs") || inner == "lib.rs" {
            names - 1
        } else {
            names
        }
    }
}

impl Path {
    /// Does it begin with these segments?
    pub fn begins(&self, with: &[&str]) -> bool {
        self.segments.len() >= with.len() && self.segments.iter().zip(with).all(|(a, b)| a == b)
    }

    /// Do these segments stand in it, side by side?
    pub fn contains(&self, run: &[&str]) -> bool {
        self.segments
            .windows(run.len())
            .any(|window| window.iter().zip(run).all(|(a, b)| a == b))
    }

    /// As it would be written.
    pub fn joined(&self) -> String {
        self.segments.join("::")
    }
}

impl Token {
    /// Is it this word or mark?
    pub fn is(&self, text: &str) -> bool {
        self.text == text
    }

    /// A name, keyword or number.
    pub fn is_word(&self) -> bool {
        self.text.starts_with(is_word_char)
    }
}

fn is_word_char(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Words and marks of `text`; comments are gone, a string or character is the mark `"`.
fn tokenize(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < chars.len() {
        let start = i;
        let mut token = None;
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => i = end_of_comment(&chars, i),
            '"' => {
                i = end_of_string(&chars, i);
                token = Some("\"".to_string());
            }
            '\'' if at(i + 1) == '\\' || at(i + 2) == '\'' => {
                i += if at(i + 1) == '\\' { 3 } else { 2 };
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
                token = Some("\"".to_string());
            }
            'r' | 'b' | 'c' if raw_string(&chars, i).is_some() => {
                i = raw_string(&chars, i).expect("just found");
                token = Some("\"".to_string());
            }
            c if is_word_char(c) => {
                while is_word_char(at(i)) {
                    i += 1;
                }
                token = Some(chars[start..i].iter().collect());
            }
            ':' if at(i + 1) == ':' => {
                i += 2;
                token = Some("::".to_string());
            }
            c => {
                i += 1;
                token = (!c.is_whitespace()).then(|| c.to_string());
            }
        }
        i = i.min(chars.len());
        if let Some(text) = token {
            tokens.push(Token {
                text,
                line,
                depth: 0,
                in_tests: false,
            });
        }
        line += chars[start..i].iter().filter(|&&c| c == '\n').count();
    }
    tokens
}

/// Behind the comment that begins at `i`; such comments nest.
fn end_of_comment(chars: &[char], mut i: usize) -> usize {
    let mut open = 0;
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => {
                open += 1;
                i += 2;
            }
            ('*', Some('/')) => {
                open -= 1;
                i += 2;
                if open == 0 {
                    break;
                }
            }
            _ => i += 1,
        }
    }
    i
}

/// Behind the string whose opening quote is at `i`.
fn end_of_string(chars: &[char], mut i: usize) -> usize {
    i += 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// Behind the raw string (`r"…"`, `br##"…"##`) that begins at `i`, if one does.
fn raw_string(chars: &[char], mut i: usize) -> Option<usize> {
    if matches!(chars[i], 'b' | 'c') {
        i += 1;
    }
    if chars.get(i) != Some(&'r') {
        return None;
    }
    i += 1;
    let hashes = chars[i..].iter().take_while(|&&c| c == '#').count();
    i += hashes;
    if chars.get(i) != Some(&'"') {
        return None;
    }
    i += 1;
    while i < chars.len() {
        let closes = chars[i] == '"'
            && chars.len() - i > hashes
            && chars[i + 1..=i + hashes].iter().all(|&c| c == '#');
        if closes {
            return Some(i + 1 + hashes);
        }
        i += 1;
    }
    Some(i)
}

/// Writes down for each token how many inline modules lie around it, and whether one is for tests.
fn place(tokens: &mut [Token], path: &str) {
    let file_of_tests = path.ends_with("/tests.rs") || path.contains("/tests/");
    // For each open brace: did it open a module, and was that one for tests?
    let mut open: Vec<(bool, bool)> = Vec::new();
    let mut next_brace = (false, false);
    for i in 0..tokens.len() {
        let opens_module = tokens[i].is("mod")
            && tokens.get(i + 1).is_some_and(Token::is_word)
            && tokens.get(i + 2).is_some_and(|token| token.is("{"));
        if opens_module {
            next_brace = (true, marked_for_tests(&tokens[..i]));
        }
        if tokens[i].is("}") {
            open.pop();
        }
        tokens[i].depth = open.iter().filter(|(module, _)| *module).count();
        tokens[i].in_tests = file_of_tests || open.iter().any(|(_, tests)| *tests);
        if tokens[i].is("{") {
            open.push(std::mem::take(&mut next_brace));
        }
    }
}

/// Do the attributes at the end of `before`, ahead of a `pub(…)`, hold a `cfg` with `test` in it?
fn marked_for_tests(before: &[Token]) -> bool {
    let mut end = before.len();
    while end > 0 && ["#", "pub", ")", "]"].contains(&before[end - 1].text.as_str()) {
        let mut start = end - 1;
        let mut brackets = 0;
        loop {
            match before[start].text.as_str() {
                "]" | ")" => brackets += 1,
                "[" | "(" => brackets -= 1,
                _ => {}
            }
            if brackets == 0 || start == 0 {
                break;
            }
            start -= 1;
        }
        let words: Vec<&str> = before[start..end].iter().map(|t| t.text.as_str()).collect();
        let inverted = words.windows(3).any(|run| run == ["not", "(", "test"]);
        if words.contains(&"cfg") && words.contains(&"test") && !inverted {
            return true;
        }
        end = start;
    }
    false
}

/// All paths: the leaves of `use` trees, and whatever else is joined by `::`.
fn paths(tokens: &[Token]) -> Vec<Path> {
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let captures = tokens.get(i + 1).is_some_and(|token| token.is("<"));
        if tokens[i].is("use") && !captures {
            i = use_tree(tokens, i + 1, &[], &mut found);
        } else if tokens[i].is_word() && tokens.get(i + 1).is_some_and(|token| token.is("::")) {
            let first = i;
            let mut segments = vec![tokens[i].text.clone()];
            while i + 2 < tokens.len() && tokens[i + 1].is("::") && tokens[i + 2].is_word() {
                i += 2;
                segments.push(tokens[i].text.clone());
            }
            found.push(at(&tokens[first], segments));
            i += 1;
        } else {
            i += 1;
        }
    }
    found
}

/// Spreads the tree that begins at token `i`; gives the first token behind it.
fn use_tree(tokens: &[Token], mut i: usize, prefix: &[String], found: &mut Vec<Path>) -> usize {
    let mut segments = prefix.to_vec();
    while i < tokens.len() {
        let token = &tokens[i];
        match token.text.as_str() {
            "::" => i += 1,
            "{" => {
                i += 1;
                while i < tokens.len() && !tokens[i].is("}") {
                    i = use_tree(tokens, i, &segments, found);
                    i += usize::from(i < tokens.len() && tokens[i].is(","));
                }
                return i + 1;
            }
            "as" => i += 2,
            "," | ";" | "}" => break,
            _ => {
                segments.push(token.text.clone());
                i += 1;
            }
        }
    }
    if segments.len() > prefix.len() {
        found.push(at(&tokens[i - 1], segments));
    }
    i
}

fn at(token: &Token, segments: Vec<String>) -> Path {
    Path {
        segments,
        line: token.line,
        depth: token.depth,
        in_tests: token.in_tests,
    }
}

#[test]
fn text_is_told_from_code() {
    let source = Source::new(
        "src/pipe/lane.rs",
        "//! mio::a\n/* mio::b /* nested */ mio::c */ let s = \"mio::d \\\" mio::e\";\n\
         let r = br#\"mio::f \" mio::g\"#; let c = ('\\'', '\"', 'x'); fn f<'a>(x: &'a str) {}\n\
         mio::h::<u8>::i();\n",
    );
    let paths: Vec<_> = source.paths.iter().map(Path::joined).collect();
    assert_eq!(paths, ["mio::h"]);
    assert_eq!(source.paths[0].line, 4);
}

#[test]
fn use_trees_are_spread() {
    let source = Source::new(
        "src/a/b.rs",
        "use std::{\n    fmt,\n    io::{self, Read as _},\n};\npub(crate) use crate::x::*;\n",
    );
    let paths: Vec<_> = source
        .paths
        .iter()
        .map(|path| (path.joined(), path.line))
        .collect();
    let expected = [
        ("std::fmt", 2),
        ("std::io::self", 3),
        ("std::io::Read", 3),
        ("crate::x::*", 5),
    ];
    assert_eq!(paths, expected.map(|(path, line)| (path.to_string(), line)));
}

#[test]
fn modules_and_tests_are_followed() {
    let source = Source::new(
        "src/a/b.rs",
        "a::x();\nmod m { b::x(); }\n#[cfg(all(test, not(loom)))]\nmod n { c::x(); }\n\
         #[cfg(test)]\n#[allow(dead_code)]\npub(crate) mod tests { fn f() { d::x(); } }\ne::x();\n\
         #[cfg(not(test))] mod o { f::x(); }",
    );
    let places: Vec<_> = source
        .paths
        .iter()
        .map(|path| (path.segments[0].as_str(), path.depth, path.in_tests))
        .collect();
    let expected = [
        ("a", 0, false),
        ("b", 1, false),
        ("c", 1, true),
        ("d", 1, true),
        ("e", 0, false),
        ("f", 1, false),
    ];
    assert_eq!(places, expected);
}
