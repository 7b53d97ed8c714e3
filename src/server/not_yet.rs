//! What a configuration may ask for and the server does not do yet. Said aloud at the start and by `igor validate`, so that
//! nobody relies on it.

use crate::config::{Admin, Config};

/// A sentence for each directive that is read and has no effect yet.
pub fn not_yet(config: &Config) -> Vec<String> {
    let mut sentences = Vec::new();
    if config.global.admin != Admin::Off && config.global.admin != Admin::default() {
        sentences.push("`admin` has no effect yet: the admin interface is not served".to_owned());
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("w.php"), "<?php").expect("writing the script");
        let origin = folder.path().join("Caddyfile");
        let config = crate::config::parse(text, &origin, &|_| None).expect("a valid configuration");
        let prefix = format!("{}/", folder.path().display());
        not_yet(&config).iter().map(|sentence| sentence.replace(&prefix, "")).collect()
    }

    #[test]
    fn only_what_was_asked_for_is_named() {
        assert_eq!(sentences(":8080 {\n\tphp_server\n}\n"), Vec::<String>::new());
        let asked = "{\n\tadmin localhost:3000\n}\n:8080 {\n\tphp_server\n}\n";
        assert_eq!(sentences(asked), ["`admin` has no effect yet: the admin interface is not served"]);
    }
}
