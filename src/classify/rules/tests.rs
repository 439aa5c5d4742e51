//! What the compiler says about mistakes.

use super::*;

const TYPES: &str = r#"
[[alarm_type]]
id = "link"
title = "A link is down"
event_type = "communications"
probable_cause = "lossOfSignal"
severity = "major"

[[alarm_type]]
id = "started"
title = "It started"
event_type = "other"
probable_cause = "systemRestart"
severity = "warning"
will_clear = false

[objects]
state = { oid = "1.3.6.1.4.1.1.1", values = { 1 = "up", 2 = "down" } }
"#;

/// Line, column and first line of every mistake of a file that follows the declarations above.
fn mistakes(text: &str) -> Vec<(u32, u32, String, String)> {
    let sources =
        [RuleSource { file: "types.toml", text: TYPES }, RuleSource { file: "x.toml", text }];
    let Err(found) = compile(&sources) else { return Vec::new() };
    found
        .into_iter()
        .map(|one| {
            assert_eq!(one.file, "x.toml", "{one}");
            (one.line, one.column, one.message, one.remedy)
        })
        .collect()
}

fn only(text: &str) -> (u32, u32, String, String) {
    let mut found = mistakes(text);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn a_rule_without_mistake_compiles() {
    let text = "[[trap]]\nname = \"a\"\noid = \"1.3.6.1.4.1.1.0.1\"\nverb_by = { \
        value = \"state\", map = { down = \"raise\", up = \"clear\" } }\n\
        alarm_type = \"link\"\ntext = \"{state}\"\n";
    assert_eq!(mistakes(text), Vec::new());
}

#[test]
fn every_mistake_of_a_file_is_reported() {
    let text = r#"
[[trap]]
name = "a"
oid = "1.3.x"
verb = "rise"
alarm_type = "lnk"
severty = "major"

[[syslog]]
name = "a"
contains = "x"
verb = "raise"
alarm_type = "link"
qualifier = "{peer}"
"#;
    let found = mistakes(text);
    let lines: Vec<u32> = found.iter().map(|(line, ..)| *line).collect();
    assert_eq!(lines, [4, 5, 6, 7, 10, 14]);
    let remedies: Vec<&str> = found.iter().map(|(.., remedy)| remedy.as_str()).collect();
    assert_eq!(remedies[1], "did you mean `raise`?");
    assert_eq!(remedies[2], "did you mean `link`?");
    assert_eq!(remedies[3], "did you mean `severity`?");
    assert_eq!(found[5].1, 14, "the column is that of the brace");
}

#[test]
fn a_bad_expression_is_reported_at_its_bad_place() {
    let text = "[[syslog]]\nname = \"a\"\ncontains = \"x\"\nregex = 'ab(c'\nverb = \"raise\"\n\
        alarm_type = \"link\"\n";
    let (line, column, message, _) = only(text);
    assert_eq!((line, column), (4, 12));
    assert!(message.ends_with("unclosed group"), "{message}");
}

#[test]
fn a_clear_of_what_is_never_cleared_is_a_mistake() {
    let text = "[[syslog]]\nname = \"a\"\ncontains = \"x\"\nverb = \"clear\"\n\
        alarm_type = \"started\"\n";
    assert!(only(text).2.contains("never cleared"));
}

#[test]
fn a_severity_above_that_of_the_type_is_a_mistake() {
    let text = "[[syslog]]\nname = \"a\"\ncontains = \"x\"\nverb = \"raise\"\n\
        alarm_type = \"link\"\nseverity = \"critical\"\n";
    assert!(only(text).2.contains("worse than"));
}

#[test]
fn a_metric_rule_that_would_look_at_nothing_is_a_mistake() {
    let rule = |names: &str| {
        format!(
            "[[metric]]\nname = \"a\"\nalarm_type = \"link\"\n\
             bands = [{{ severity = \"minor\", above = 1 }}]\n{names}\n"
        )
    };
    for (names, column, said) in [
        ("metric = \"\"", 10, "`` is the name of no metric"),
        ("metric = [\"up\", \" up\"]", 17, "` up` is the name of no metric"),
        ("metric = []", 10, "`metric` names nothing"),
        ("metric = \"up\"\nratio_to = \"\"", 12, "`` is the name of no metric"),
    ] {
        let (_, found, message, _) = only(&rule(names));
        assert_eq!((found, message.as_str()), (column, said), "{names}");
    }
    assert_eq!(mistakes(&rule("metric = \"up\"")), Vec::new());
}

#[test]
fn broken_toml_is_reported_with_its_place() {
    let found = mistakes("[[trap]\nname = \"a\"\n");
    assert!(found.iter().any(|(line, ..)| *line == 1), "{found:?}");
}

#[test]
fn a_rule_needs_something_cheap_to_be_found_by() {
    let text = "[[syslog]]\nname = \"a\"\nregex = 'x'\nverb = \"raise\"\nalarm_type = \"link\"\n";
    assert!(only(text).3.contains("contains"));
}
