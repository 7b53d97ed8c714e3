//! Links the program so that it finds libphp, and so that libphp finds what it must take from the program.

fn main() {
    let arguments = std::env::var("DEP_IGOR_SHIM_ENCODED_LINK_ARGS").expect("igor-php, a direct dependency, says them");
    for argument in arguments.split('\x1f') {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
