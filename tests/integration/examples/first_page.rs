//! The first page of the documentation: its worker, typed as it says.

use crate::common::{Server, igor, wait_for};
use std::fs;

/// The blocks of code of this language, in order.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("```{language}\n");
    page.split(start.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn its_worker_follows_the_settings() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/README.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let (scripts, settings, caddyfile) = (blocks(&page, "php"), blocks(&page, "json"), blocks(&page, "caddyfile"));
    assert_eq!((scripts.len(), settings.len(), caddyfile.len()), (2, 1, 1));
    // The one change: a free port.
    let caddyfile = caddyfile[0].replace(":8080 {", "http://127.0.0.1:0 {");

    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file is written");
    fs::create_dir(folder.path().join("public")).expect("a folder is made");
    write("worker.php", scripts[0]);
    write("public/index.php", scripts[1]);
    write("settings.json", settings[0]);
    write("Caddyfile", &caddyfile);
    let mut command = igor();
    command.args(["run", "--config", "Caddyfile"]).current_dir(folder.path());
    let server = Server::spawn(command, folder).wait_listening();

    server.wait_log(&["background worker ready"]);
    assert_eq!(server.get("/").text(), "hello\n");
    let save = |text: &str| fs::write(server.path("settings.json"), text).expect("a file is written");
    let greeted = |text: &str| wait_for(text, || (server.get("/").text() == format!("{text}\n")).then_some(()));
    save(&settings[0].replace("hello", "good morning"));
    greeted("good morning");
    save(&settings[0].replace('}', ""));
    server.wait_log(&["2 failed attempts"]);
    assert_eq!(server.get("/").text(), "good morning\n", "a broken file");
    save(&settings[0].replace("hello", "good night"));
    greeted("good night");
}
