//! Builds the offline parts and prints where they are: `cargo run -p demolab --example build [NAME]`.
#![allow(clippy::print_stdout, reason = "an example is a program")]

use steps::{Event, Sink};

struct Lines;

impl Sink for Lines {
    fn emit(&self, event: Event) {
        match event {
            Event::Waiting { step, last, elapsed } => println!("{step}: {} s: {last}", elapsed.as_secs()),
            Event::Finished { step, outcome, took } => {
                println!("{step}: {outcome:?} after {:.1} s", took.as_secs_f32())
            }
            other => println!("{other:?}"),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = demolab::default_cache();
    match std::env::args().nth(1).as_deref() {
        Some("node-image") => println!("{:#?}", demolab::node_image(&cache, &Lines)?),
        Some("kubernetes") => println!("{}", demolab::kubernetes(&cache, &Lines)?.display()),
        Some("helm") => println!("{:?}", demolab::helm_image(&cache, &Lines)?),
        Some("kubesphere") => println!("{:#?}", demolab::kubesphere_images(&cache, &Lines)?),
        Some("images") => println!("{:#?}", demolab::images(&cache, &Lines)?),
        Some("installer") => println!("{}", demolab::installer(&cache, &Lines)?.display()),
        Some("iso") => println!("{}", demolab::demo_iso(&cache, &Lines)?.display()),
        _ => println!("{:#?}", demolab::build(&demolab::Spec { cache }, &Lines)?),
    }
    Ok(())
}
