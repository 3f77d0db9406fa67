//! The supervisor's socket: one line asked, one line answered.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use crate::Failure;
use crate::place::Place;

const NAME: &str = "control";

/// Asks the supervisor.
pub(crate) fn ask(place: &Place, request: &str, deadline: Duration) -> Result<String, Failure> {
    let failed = || Failure::host(format!("asking the machine's supervisor: {request}"));
    let (_dir, path) = place.socket(NAME)?;
    let mut stream = UnixStream::connect(path).map_err(failed())?;
    stream.set_read_timeout(Some(deadline)).map_err(failed())?;
    stream.write_all(format!("{request}\n").as_bytes()).map_err(failed())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).map_err(failed())?;
    Ok(answer.trim_end().to_owned())
}

/// Answers until the process ends.
pub(crate) fn serve(place: &Place, answer: impl Fn(&str) -> String + Send + 'static) -> Result<(), Failure> {
    let _ = fs::remove_file(place.dir().join(NAME));
    let (_dir, path) = place.socket(NAME)?;
    let listener = UnixListener::bind(path).map_err(Failure::host("listening for vmrun commands"))?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let mut line = String::new();
            let mut reader = BufReader::new(stream);
            if reader.read_line(&mut line).is_ok() {
                let _ = reader.get_mut().write_all(format!("{}\n", answer(line.trim_end())).as_bytes());
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::Home;

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn a_question_is_answered_even_below_a_long_path() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(&dir.path().join("long".repeat(40)));
        let place = Place::of(&home, "0badcafe");
        fs::create_dir_all(place.dir()).unwrap();
        assert!(ask(&place, "tools", SOON).is_err());
        serve(&place, |line| line.to_uppercase()).unwrap();
        assert_eq!(ask(&place, "stop soft", SOON).unwrap(), "STOP SOFT");
    }
}
