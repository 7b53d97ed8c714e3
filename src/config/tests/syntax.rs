//! Words, quotes, heredocs, variables, braces: the documented syntax of Caddy.

use std::path::Path;
use std::sync::Arc;

use super::super::Site;
use super::super::syntax::tokenize;
use super::{Fixture, respond_body};

/// The logical lines of `text`, with the words joined by `|`.
fn lines(text: &str) -> Vec<String> {
    let environment = |name: &str| match name {
        "TWO" => Some("one two".to_owned()),
        "PART" => Some("art".to_owned()),
        "LINES" => Some("first\nsecond".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    let lines = tokenize(text, &Arc::from(Path::new("Caddyfile")), &environment).expect("words").lines;
    lines.iter().map(|line| line.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join("|")).collect()
}

#[test]
fn words_are_separated_by_white_space() {
    let table: &[(&str, &[&str])] = &[
        ("host:123", &["host:123"]),
        ("a b\n\n\tc", &["a|b", "c"]),
        ("a\r\nb", &["a", "b"]),
        ("\u{feff}:8080", &[":8080"]),
        ("a # comment\n# another\nb", &["a", "b"]),
        ("a /x/#/y", &["a|/x/#/y"]),
        ("a \\\n  b\nc", &["a|b", "c"]),
        ("a\\\r\nb", &["a|b"]),
        ("un\\escaped C:\\php", &["un\\escaped|C:\\php"]),
        ("naïve ☂", &["naïve|☂"]),
    ];
    for (text, expected) in table {
        assert_eq!(lines(text), *expected, "{text:?}");
    }
}

#[test]
fn quotes_keep_white_space_and_all_backslashes_but_those_before_a_quote() {
    let table: &[(&str, &[&str])] = &[
        (r#"a "b c" d"#, &["a|b c|d"]),
        (r#"a "say \"hi\"""#, &[r#"a|say "hi""#]),
        (r#""don't\escape" "C:\\x""#, &[r"don't\escape|C:\\x"]),
        ("\"line\n\tbreak\" x", &["line\n\tbreak|x"]),
        (r#"a "" b"#, &["a||b"]),
        (r#"`{"a": "b"}` x"#, &[r#"{"a": "b"}|x"#]),
        (r"`back\`", &[r"back\"]),
        ("\"ü\"", &["ü"]),
        (r#"\"a b"#, &[r#""a|b"#]),
    ];
    for (text, expected) in table {
        assert_eq!(lines(text), *expected, "{text:?}");
    }
}

#[test]
fn heredocs_lose_the_indentation_of_their_marker() {
    let table: &[(&str, &[&str])] = &[
        ("a <<END\nb\n  c\nEND\nd", &["a|b\n  c", "d"]),
        ("a <<END\n\t\tb\n\n\t\t\tc\n\t\tEND 200\nd", &["a|b\n\n\tc|200", "d"]),
        ("a <<END\nEND", &["a|"]),
        ("a <<END\nb\n\nEND", &["a|b\n"]),
        ("a <<END\r\nb\r\nEND\r\n", &["a|b"]),
        ("a <<END\nENDING\nEND", &["a|ENDING"]),
        ("a << b", &["a|<<|b"]),
        ("a <<b c", &["a|<<b|c"]),
        ("a \\<<END", &["a|<<END"]),
    ];
    for (text, expected) in table {
        assert_eq!(lines(text), *expected, "{text:?}");
    }
}

#[test]
fn variables_are_put_in_before_words_are_cut() {
    let table: &[(&str, &[&str])] = &[
        ("a {$TWO} b", &["a|one|two|b"]),
        ("p{$PART}y", &["party"]),
        ("\"{$TWO}\"", &["one two"]),
        ("{$LINES}", &["first", "second"]),
        ("a {$MISSING} b", &["a|b"]),
        ("a {$MISSING:some thing} b", &["a|some|thing|b"]),
        ("a {$EMPTY:default} b", &["a|b"]),
        ("{$URL:http://x:80}", &["http://x:80"]),
        ("{$} {$OPEN", &["{$}|{$OPEN"]),
        ("{path}{query}", &["{path}{query}"]),
    ];
    for (text, expected) in table {
        assert_eq!(lines(text), *expected, "{text:?}");
    }
}

#[test]
fn positions_count_characters_and_name_the_variable_for_its_value() {
    let text = "ä {$TWO} x\n  \"y\ny\" z";
    let environment = |_: &str| Some("one two".to_owned());
    let lines = tokenize(text, &Arc::from(Path::new("C")), &environment).expect("words").lines;
    let places: Vec<String> =
        lines.iter().flatten().map(|word| format!("{} {}", word.text.replace('\n', "⏎"), word.position)).collect();
    assert_eq!(places, ["ä C:1:1", "one C:1:3", "two C:1:3", "x C:1:10", "y⏎y C:2:3", "z C:3:4"]);
}

#[test]
fn a_single_site_needs_no_braces() {
    let fixture = Fixture::new();
    let config = fixture.config(":8080\n\nheader A 1\nphp_server {\n\troot public\n}\n");
    assert_eq!(config.sites.len(), 1);
    assert_eq!(config.sites[0].routes.len(), 2);
}

/// What Caddy 2.6 makes of the same lines.
#[test]
fn the_last_site_needs_no_braces_and_reaches_to_the_end() {
    let fixture = Fixture::new();
    fixture.write("conf.d/pad.caddy", "http://pad.example {\n\trespond pad\n}\n");
    let ports = |text: &str| {
        let config = fixture.config(text);
        let site = |site: &Site| (site.addresses.iter().map(|address| address.port).collect(), site.routes.len());
        config.sites.iter().map(site).collect::<Vec<(Vec<u16>, usize)>>()
    };
    assert_eq!(ports(":8081 {\n\trespond a\n}\n:8080\nrespond b\n"), [(vec![8081], 1), (vec![8080], 1)]);
    assert_eq!(ports(":8081 {\n}\n:8080\n"), [(vec![8081], 0), (vec![8080], 0)]);
    let overlay = "{\n\tdebug\n}\nimport conf.d/*.caddy\nhttp://a.example,\n:8080\n\nlog\n\nroute {\n\trespond b\n}\n";
    assert_eq!(ports(overlay), [(vec![80], 1), (vec![80, 8080], 1)]);
    for second in ["localhost\nrespond x\n", ":8082 {\n\trespond x\n}\n", "a.example, b.example {\n\trespond x\n}\n"] {
        for first in ["", ":8081 {\n}\n"] {
            let shown = fixture.errors(&format!("{first}:8080\nrespond b\n{second}"));
            let expected =
                "is in the site `:8080`, which has no braces and so reaches to the end of the file\n  hint: write `{`";
            assert!(shown.contains(expected), "{shown}");
            assert_eq!(shown.lines().count(), 2, "{shown}");
        }
    }
}

/// Each would be the name of a host.
#[test]
fn a_global_option_behind_a_site_is_no_site() {
    let fixture = Fixture::new();
    for option in ["http_port 8081", "admin off", "worker worker.php", "frankenphp"] {
        let name = option.split(' ').next().expect("a word");
        let shown = fixture.errors(&format!(":8080 {{\n\trespond a\n}}\n{option}\n"));
        let expected = format!("`{name}` is outside of every block\n  hint: global options, `frankenphp` among them");
        assert!(shown.contains(&expected), "{shown}");
    }
}

#[test]
fn addresses_go_on_behind_a_comma() {
    let fixture = Fixture::new();
    let config = fixture.config("http://a.example, http://b.example,\nhttp://c.example {\n\trespond ok\n}\n");
    let addresses: Vec<String> = config.sites[0].addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["a.example:80", "b.example:80", "c.example:80"]);
}

#[test]
fn variables_of_the_environment_stand_anywhere() {
    let fixture = Fixture::new();
    let config = fixture.config("{$SITE} {\n\t{$BLOCK}\n\trespond \"{env.HOME} \\{env.HOME\\}\" {$STATUS:201}\n}\n");
    assert_eq!(config.sites[0].addresses[0].port, 8080);
    assert_eq!(config.sites[0].routes.len(), 3);
    let config = fixture.config(":80 {\n\trespond \"{env.HOME}|{env.MISSING}|\\{env.HOME}\"\n}\n");
    assert_eq!(respond_body(&config), "/home/igor||{env.HOME}");
}

#[test]
fn a_heredoc_is_a_body() {
    let fixture = Fixture::new();
    let config = fixture.config(":80 {\n\trespond <<HTML\n\t\t<b>\n\t\t  x\n\t\t</b>\n\t\tHTML 404\n}\n");
    assert_eq!(respond_body(&config), "<b>\n  x\n</b>");
}

#[test]
fn an_empty_variable_is_named_where_something_is_missing() {
    let fixture = Fixture::new();
    for (text, expected) in [
        ("{\n}\n{$SERVER_NAME} {\n}\n", "`{$SERVER_NAME}` on this line is empty; the global options come first"),
        ("{\nadmin {$HOST}:{$PORT}\n}\n", "`{$HOST}`, `{$PORT}` on this line are empty; write"),
        (":8080 {\nroot {$WHERE}\n}\n", "`{$WHERE}` on this line is empty"),
        (":8080 {\nrot x\n}\n", "did you mean `root`?"),
        (":8080 {\nroot {env.WHERE}\n}\n", "`{env.WHERE}` on this line is empty"),
    ] {
        let errors = fixture.parse(text).expect_err("an error");
        let hint = errors[0].hint.clone().unwrap_or_default();
        assert!(hint.starts_with(expected), "{text}: {hint}");
    }
}

#[test]
fn an_empty_variable_inside_a_value_is_a_warning() {
    let fixture = Fixture::new();
    let warned = |text: &str| fixture.shown(&fixture.config(text).warnings);
    let text = ":80 {\n\tphp_server {\n\t\tenv DSN \"{env.NOWHERE}{env.HOME}\"\n\t}\n\trespond {env.NOTHING}\n}\n";
    let expected = "Caddyfile:3:11: warning: `{env.NOWHERE}` is always empty: the environment has no such variable\n\
                    Caddyfile:5:10: warning: `{env.NOTHING}` is always empty: the variable is empty";
    assert_eq!(warned(text), expected);
    let snippet = "(s) {\n\trespond {env.NOTHING}\n}\n(r) {\n\t@a expression `{env.CODE} == r'{env.CODE}'`\n}\n";
    assert_eq!(warned(&format!("{snippet}:80 {{\n\trespond ok\n}}\n")), "");
    let imported = format!("{snippet}:80 {{\n\timport s\n}}\n:81 {{\n\timport s\n}}\n");
    assert_eq!(warned(&imported), "Caddyfile:2:10: warning: `{env.NOTHING}` is always empty: the variable is empty");
    for text in [
        "@a expression `{env.NOWHERE} == ''`\nrespond @a ok",
        "mercure {\nanonymous\npublisher_jwt secret {env.NOWHERE}\n}",
        "respond \"\\{env.NOWHERE\\} {$NOWHERE}\"",
    ] {
        assert_eq!(warned(&format!(":80 {{\n{text}\n}}\n")), "", "{text}");
    }
}
