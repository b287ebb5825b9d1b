//! The house rules, as a test: floors, sans-IO rooms, unsafe corners, headers, loose ends.
//!
//! Reads every source of the project and fails with `file:line: [rule] what, and what instead`.
//! The rules and their reasons are in `tests/tidy/rules.rs`.

#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;

use std::{
    fs,
    path::{Path, PathBuf},
};

use rules::{Fault, RULES, places_exist, questions_have_answers};
use source::Source;

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 3] = ["target", "corpus", "artifacts"];

#[test]
fn the_house_is_tidy() {
    let sources = sources();
    assert!(
        sources.iter().any(|source| source.path == "src/lib.rs"),
        "the walk did not find src/lib.rs"
    );
    let faults: Vec<Fault> = RULES
        .iter()
        .flat_map(|rule| sources.iter().flat_map(|source| rule.faults(source)))
        .collect();
    report(&faults);
}

#[test]
fn catches_a_planted_violation_of_each_of_its_rules() {
    for rule in RULES {
        assert!(
            !rule.planted.is_empty() && !rule.clean.is_empty(),
            "{}",
            rule.name
        );
        for (path, text) in rule.planted {
            let faults = rule.faults(&Source::new(path, text));
            let found = faults.len();
            assert_eq!(found, 1, "[{}] in {path}, planted:\n{text}", rule.name);
            let message = faults[0].to_string();
            assert!(message.starts_with(&format!("{path}:")), "{message}");
            let line = faults[0].line;
            assert!((1..=text.lines().count()).contains(&line), "{message}");
        }
        for (path, text) in rule.clean {
            let faults = rule.faults(&Source::new(path, text));
            let messages: Vec<_> = faults.iter().map(Fault::to_string).collect();
            assert!(messages.is_empty(), "{messages:#?} in clean:\n{text}");
        }
    }
}

#[test]
fn every_question_of_the_architecture_has_its_place() {
    let root = root();
    let Ok(text) = fs::read_to_string(root.join("ARCHITECTURE.md")) else {
        return;
    };
    let source = Source::new("ARCHITECTURE.md", &text);
    report(&questions_have_answers(&source, |place| {
        root.join(place).exists()
    }));
}

#[test]
fn what_the_documents_name_is_there() {
    let root = root();
    let exists = |place: &str| root.join(place).exists();
    let faults: Vec<Fault> = sources()
        .iter()
        .flat_map(|source| places_exist(source, exists))
        .collect();
    report(&faults);
}

#[test]
fn catches_a_document_that_names_what_is_gone() {
    let text = "| `Push` | `tests/pattern_pipeline.rs` |\nSee `src/lib.rs`, `ipc:///tmp/x`.\n";
    let found = |path, there: &'static str| {
        places_exist(&Source::new(path, text), move |place| place == there).len()
    };
    assert_eq!(found("README.md", "src/lib.rs"), 1);
    assert_eq!(found("README.md", "tests/pattern_pipeline.rs"), 1);
    assert_eq!(found("README.md", ""), 2);
    assert_eq!(found("CHANGELOG.md", ""), 0);
    let gone = places_exist(&Source::new("README.md", text), |place| {
        place == "src/lib.rs"
    });
    assert!(
        gone[0].to_string().starts_with("README.md:1:"),
        "{}",
        gone[0]
    );
}

#[test]
fn catches_a_question_without_its_place() {
    let heading = "# House\n\n## Twenty questions\n\n| question | place |\n|---|---|\n";
    let row = "| How is a `Frame` read? | `src/wire/frame.rs` |\n";
    let faults = |rows: &str| {
        let source = Source::new("ARCHITECTURE.md", &format!("{heading}{rows}\n## End\n"));
        questions_have_answers(&source, |place| place == "src/wire/frame.rs")
            .iter()
            .map(Fault::to_string)
            .collect::<Vec<_>>()
    };
    let none: [String; 0] = [];
    assert_eq!(faults(&row.repeat(20)), none);

    let few = faults(&row.repeat(19));
    assert!(few.len() == 1 && few[0].contains("19 questions"), "{few:?}");

    let moved = faults(&format!(
        "{}| Who? | `src/wire/gone.rs` |\n",
        row.repeat(20)
    ));
    assert!(
        moved.len() == 1 && moved[0].contains("gone.rs"),
        "{moved:?}"
    );
    assert!(moved[0].starts_with("ARCHITECTURE.md:27:"), "{moved:?}");

    let vague = faults(&format!("{}| Who? | somewhere |\n", row.repeat(20)));
    assert!(
        vague.len() == 1 && vague[0].contains("no place"),
        "{vague:?}"
    );
}

#[test]
fn each_limit_of_security_names_a_test() {
    let sources = sources();
    let document = |source: &&Source| source.path == "SECURITY.md";
    let security = sources.iter().find(document).expect("it is there");
    let rows = security.text.lines().filter(|line| line.starts_with("| "));
    let rows: Vec<&str> = rows.skip(1).collect();
    assert!(rows.len() >= 10, "limits: {rows:?}");
    for row in rows {
        let last = row.trim_end_matches(" |").rsplit(" | ").next();
        let name = last.and_then(|cell| cell.strip_prefix('`')?.strip_suffix('`'));
        let test = format!("#[test]\nfn {}() {{", name.expect("a test's name"));
        let mut tests = sources.iter().filter(|it| it.path.starts_with("tests/"));
        assert!(
            tests.any(|it| it.text.contains(&test)),
            "no such test: {row}"
        );
    }
}

#[test]
fn what_documents_link_to_is_there() {
    let sources = sources();
    let mut gone = Vec::new();
    for document in sources.iter().filter(|it| it.path.ends_with(".md")) {
        for link in links(&document.text).filter(|link| !link.contains("://")) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let folder = Path::new(&document.path).parent().expect("a folder");
            let place = match path {
                "" => PathBuf::from(&document.path),
                path => folder.join(path),
            };
            let there = root().join(&place);
            let headed = heading.is_empty()
                || fs::read_to_string(&there).is_ok_and(|text| has_heading(&text, heading));
            if !there.exists() || !headed {
                gone.push(format!("{}: {link}", document.path));
            }
        }
    }
    assert_eq!(gone, [""; 0], "links to what is not there");

    let text = "See [it](a/b.md#the-end), [that](c.md).\n## The `end`!\n";
    assert_eq!(links(text).collect::<Vec<_>>(), ["a/b.md#the-end", "c.md"]);
    assert!(has_heading(text, "the-end") && !has_heading(text, "end"));
}

#[test]
fn tests_and_calls_that_documents_name_are_there() {
    let sources = sources();
    let mut named = 0;
    for document in sources.iter().filter(|it| it.path.ends_with(".md")) {
        // Tests, mostly, and calls; the changelog may speak of what is gone.
        let quoted = document.text.split('`').skip(1).step_by(2);
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let names = quoted.filter(|it| it.matches('_').count() >= 3 && it.chars().all(is_name));
        for name in names.filter(|_| document.path != "CHANGELOG.md") {
            named += 1;
            let head = format!("fn {name}(");
            let mut code = sources.iter().filter(|it| it.path.ends_with(".rs"));
            assert!(
                code.any(|it| it.text.contains(&head)),
                "{}: no such function: {name}",
                document.path
            );
        }
    }
    assert!(named >= 30, "{named} names: are they read at all?");
}

/// Where the links of a document lead.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
}

/// Is there a heading that this anchor leads to?
fn has_heading(text: &str, anchor: &str) -> bool {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let mut anchors = headings.map(|line| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().replace(' ', "-")
    });
    anchors.any(|it| it == anchor)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Everything the rules read: Rust sources, manifests and documents, in the order of their paths.
fn sources() -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of ours") {
            let path = entry.expect("an entry of ours").path();
            let name = name_of(&path);
            if name.starts_with('.') || SKIPPED.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if [".rs", ".toml", ".md"]
                .iter()
                .any(|end| name.ends_with(end))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a text of ours");
        let inner = path.strip_prefix(&root).expect("below the root");
        let inner = inner.to_string_lossy().replace('\\', "/");
        Source::new(&inner, &text)
    };
    found.into_iter().map(read).collect()
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn report(faults: &[Fault]) {
    let messages: Vec<_> = faults.iter().map(Fault::to_string).collect();
    assert!(messages.is_empty(), "\n{}\n", messages.join("\n"));
}
