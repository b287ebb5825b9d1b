//! Gives the shared library the name that programs look for.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if system == "macos" || system == "ios" {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libzmq.5.dylib");
    } else {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libzmq.so.5");
    }
}
