use std::net::TcpListener;

use timesync::{Offset, State, Whose};

use crate::world::World;

#[track_caller]
fn near(offset: Option<Offset>, want: i64) {
    let got = offset.unwrap().0;
    assert!((got - want).abs() < 300, "{got} is not near {want}");
}

#[test]
fn a_clock_an_hour_ahead_is_set() {
    let world = World::new(3_600_000);
    let out = world.sync(&[]);
    assert_eq!(out.code, 0, "{}", out.error_text());
    assert!(out.text().contains("clock set"), "{}", out.text());
    assert!(world.get("offset").trim().parse::<i64>().unwrap().abs() < 300, "{}", world.get("offset"));
    assert_eq!((world.clock().state, world.clock().clock), (State::Ok, Whose::Own));
    near(world.clock().offset, 0);
}

#[test]
fn a_clock_of_1970_is_lifted_to_the_build_stamp_before_any_certificate_is_read() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let world = World::new(-i64::try_from(now.as_millis()).unwrap() + 5000);
    world.set("stamp", &(now.as_secs() - 3600).to_string());
    let out = world.sync(&[]);
    assert_eq!(out.code, 0, "{}", out.error_text());
    assert!(out.text().contains("before the build stamp"), "{}", out.text());
    assert_eq!(world.get("sets").lines().count(), 2);
    near(world.clock().offset, 0);
}

#[test]
fn a_right_clock_is_left_alone_and_measured_within_a_tenth_of_a_second() {
    let world = World::new(0);
    assert_eq!(world.sync(&[]).code, 0);
    assert_eq!(world.get("sets"), "");
    near(world.clock().offset, 0);
}

#[test]
fn a_clock_that_is_the_hosts_is_measured_and_not_touched() {
    let world = World::new(900);
    world.set("host", "");
    let out = world.sync(&[]);
    assert_eq!(out.code, 0);
    assert!(out.text().contains("clock is the host's; offset"), "{}", out.text());
    assert_eq!((world.get("sets").as_str(), world.clock().clock), ("", Whose::Host));
    near(world.clock().offset, 900);

    let world = World::new(60_000);
    world.set("host", "");
    let out = world.sync(&[]);
    assert_eq!((out.code, world.clock().state), (1, State::Wrong));
    assert!(out.error_text().contains("over the limit"), "{}", out.error_text());
}

#[test]
fn measuring_changes_nothing() {
    let world = World::new(-60_000);
    let out = world.sync(&["--measure"]);
    let clock: timesync::Clock = serde_json::from_str(&out.text()).unwrap();
    assert_eq!((out.code, clock.state), (0, State::Wrong));
    near(clock.offset, -60_000);
    assert_eq!((world.get("sets").as_str(), world.get("clock.json").as_str()), ("", ""));
}

#[test]
fn a_registry_with_another_authority_is_an_error_that_says_so() {
    let mut world = World::new(0);
    world.trust_nothing();
    let out = world.sync(&[]);
    assert_eq!((out.code, world.clock().state), (1, State::Untrusted));
    assert!(out.error_text().contains("is not trusted"), "{}", out.error_text());
}

#[test]
fn a_registry_that_is_off_leaves_the_clock_and_says_degraded() {
    let mut world = World::new(0);
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    world.registry = free.local_addr().unwrap().to_string();
    drop(free);
    let out = world.sync(&[]);
    assert_eq!((out.code, world.clock().state, world.clock().offset), (0, State::Degraded, None));
    assert!(out.text().contains("degraded"), "{}", out.text());
}
