//! Unit tests that need no socket.

use super::names::NameMap;

#[test]
fn a_name_is_found_itself_before_wildcards_and_the_narrowest_first() {
    let mut map = NameMap::default();
    for name in ["Example.com", "*.example.com", "*.*.com", "www.example.com"] {
        map.insert(name, name);
    }
    for (host, found) in [
        ("example.com", Some("Example.com")),
        ("www.example.com", Some("www.example.com")),
        ("a.example.com", Some("*.example.com")),
        ("a.other.com", Some("*.*.com")),
        ("a.b.example.com", None),
        ("com", None),
        ("", None),
    ] {
        assert_eq!(map.find(host).copied(), found, "{host}");
    }
}
