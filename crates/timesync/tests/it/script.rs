use std::net::TcpListener;

use timesync::{Mending, Offset, Situation, State, Whose, mend};

use crate::world::World;

/// Within a second: on a busy machine the programs of the script start late.
#[track_caller]
fn near(offset: Option<Offset>, want: i64) {
    within(offset, want, 1000);
}

#[track_caller]
fn within(offset: Option<Offset>, want: i64, limit: i64) {
    let got = offset.unwrap().0;
    assert!((got - want).abs() < limit, "{got} is not near {want}");
}

#[test]
fn a_clock_an_hour_ahead_is_set() {
    let world = World::new(3_600_000);
    let out = world.sync(&[]);
    assert_eq!(out.code, 0, "{}", out.error_text());
    assert!(out.text().contains("clock set"), "{}", out.text());
    assert!(world.get("offset").trim().parse::<i64>().unwrap().abs() < 1000, "{}", world.get("offset"));
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
fn a_clock_set_by_a_wide_bound_is_set_again_by_a_narrow_one() {
    let world = World::new(-40_000);
    world.set("busy", "");
    let out = world.sync(&[]);
    assert_eq!(out.code, 0, "{}", out.error_text());
    assert_eq!(world.get("sets").lines().count(), 2, "{}", out.text());
    within(world.clock().offset, 0, 250);
}

#[test]
fn a_clock_that_is_the_hosts_is_measured_and_not_touched() {
    let world = World::new(900);
    world.set("host", "");
    let out = world.sync(&[]);
    assert_eq!(out.code, 0);
    assert!(out.text().contains("clock is the host's; offset"), "{}", out.text());
    assert_eq!((world.get("sets").as_str(), world.clock().clock), ("", Whose::Host));
    within(world.clock().offset, 900, 300);

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
    let world = World::new(0);
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    world.registry_is(&free.local_addr().unwrap().to_string());
    drop(free);
    let out = world.sync(&[]);
    assert_eq!((out.code, world.clock().state, world.clock().offset), (0, State::Degraded, None));
    assert!(out.text().contains("degraded"), "{}", out.text());
}

#[test]
fn a_clock_at_which_the_certificate_has_expired_is_put_right() {
    let world = World::new(400 * 86_400_000);
    world.set("dated", "");
    let out = world.sync(&[]);
    assert_eq!((out.code, world.clock().state), (0, State::Ok), "{}", out.error_text());
    assert!(out.text().contains("it is at the registry's"), "{}", out.text());
    near(world.clock().offset, 0);
}

#[test]
fn a_date_without_a_good_certificate_moves_nothing_in_the_end() {
    let mut world = World::new(400 * 86_400_000);
    world.trust_nothing();
    assert_eq!((world.sync(&[]).code, world.clock().state), (1, State::Untrusted));
    near(Some(Offset(world.get("offset").trim().parse().unwrap())), 400 * 86_400_000);
    // a Date before the build stamp is not even tried
    let mut world = World::new(400 * 86_400_000);
    world.trust_nothing();
    world.set("stamp", "4000000000");
    world.set("offset", &(100_000 * 86_400_000_i64).to_string());
    assert_eq!((world.sync(&[]).code, world.get("sets").as_str()), (1, ""));
}

#[test]
fn the_timer_asks_once_while_all_is_well_and_mends_what_is_not() {
    let world = World::new(0);
    assert_eq!(world.sync(&["--again"]).code, 0);
    let calls = world.get("calls").lines().count();
    assert!(calls > 1, "the first time it measures: {calls}");
    let out = world.sync(&["--again"]);
    assert_eq!((out.code, out.text().as_str(), world.get("calls").lines().count()), (0, "", calls + 1));
    world.set("offset", "-7200000");
    let out = world.sync(&["--again"]);
    assert!(
        out.code == 0 && out.text().starts_with("<5>sync-time: ") && out.text().contains("clock set"),
        "{}",
        out.text()
    );
    near(world.clock().offset, 0);
}

/// How far the real-time clock is from the true time, in milliseconds.
fn rtc(world: &World) -> i64 {
    world.get("rtc").trim().parse().unwrap()
}

#[test]
fn a_real_time_clock_follows_the_clock_and_is_set_again_where_a_setting_came_late() {
    for mode in [&[][..], &["--again"]] {
        let world = World::new(-3_600_000);
        world.set("rtc", "-3600000");
        world.set("late", "1200");
        assert_eq!(world.sync(mode).code, 0, "{mode:?}");
        assert!(rtc(&world).abs() < 500, "{mode:?}: {} ms off", rtc(&world));
        assert_eq!(world.get("rtc-sets").lines().count(), 2, "{mode:?}: late once, then right");
    }
}

#[test]
fn a_real_time_clock_that_is_off_by_itself_is_set_by_the_timer_and_a_right_one_is_let_alone() {
    let world = World::new(0);
    world.set("rtc", "0");
    assert_eq!(world.sync(&[]).code, 0);
    assert_eq!(world.sync(&["--again"]).code, 0);
    assert_eq!(world.get("rtc-sets"), "", "it was right");
    for away in ["-2100", "3000"] {
        world.set("rtc", away);
        assert_eq!(world.sync(&["--again"]).code, 0);
        assert!(rtc(&world).abs() < 500, "{away}: {} ms off", rtc(&world));
    }
}

#[test]
fn two_at_once_set_the_clock_once() {
    let world = World::new(-3_600_000);
    std::thread::scope(|scope| {
        for mode in [&[][..], &["--again"], &["--measure"]] {
            let world = &world;
            scope.spawn(move || assert_eq!(world.sync(mode).code, 0));
        }
    });
    assert_eq!(world.get("sets").lines().count(), 1);
    near(world.clock().offset, 0);
}

/// The script does what the policy says, in every case of it that has a script.
#[test]
fn a_clock_is_put_right_as_the_policy_says() {
    let cases = [
        (3_000, true, Mending::Slew),
        (-20_000, true, Mending::Step),
        (60_000, true, Mending::StopFirst),
        (-300_000, true, Mending::StopFirst),
        (300_000, false, Mending::Step),
    ];
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(move || is_put_right(case));
        }
    });
}

#[track_caller]
fn is_put_right((ms, running, expected): (i64, bool, Mending)) {
    let situation = Situation { offset: Offset(ms), clock: Whose::Own, running, steady: false };
    assert_eq!(mend(situation, std::time::Duration::from_secs(2)), expected);
    let world = World::new(ms);
    if running {
        world.set("running", "");
    }
    let out = world.sync(&["--again"]);
    assert_eq!(out.code, 0, "{ms}: {}", out.error_text());
    near(world.clock().offset, 0);
    let (units, sets) = (world.get("units"), world.get("sets").lines().count());
    match expected {
        Mending::StopFirst => assert_eq!(units, "stop k3s\nstart --no-block k3s\n", "{ms}"),
        _ => assert_eq!(units, "", "{ms}"),
    }
    assert_eq!(sets > 1, expected == Mending::Slew, "{ms}: set {sets} times");
}

/// This clock runs on steadily, and is this far ahead of its registry's all at once; what it was based on before.
fn jump(world: &World, away: i64) -> i64 {
    let base: i64 = world.get("clock.json.base").trim().parse().unwrap();
    world.set("offset", &away.to_string());
    world.set("clock.json.base", &(base + away).to_string());
    base
}

#[test]
fn a_registry_that_jumps_back_is_not_followed_and_one_that_comes_back_is_right_again() {
    let world = World::new(0);
    assert_eq!(world.sync(&[]).code, 0);
    let base = jump(&world, 300_000);
    for _ in 0..2 {
        let out = world.sync(&["--again"]);
        assert_eq!(
            (out.code, world.clock().state, world.get("sets").as_str()),
            (1, State::Moved, ""),
            "{}",
            out.text()
        );
        assert!(out.text().contains("not followed"), "{}", out.text());
        near(world.clock().offset, 300_000);
    }
    world.set("offset", "0");
    world.set("clock.json.base", &base.to_string());
    assert_eq!((world.sync(&["--again"]).code, world.clock().state), (0, State::Ok));
}

#[test]
fn a_registry_ahead_by_days_is_followed_as_after_a_suspension_and_by_months_is_not() {
    std::thread::scope(|scope| {
        for (days, code) in [(1, 0), (60, 1)] {
            scope.spawn(move || {
                let world = World::new(0);
                assert_eq!(world.sync(&[]).code, 0);
                jump(&world, -days * 86_400_000);
                assert_eq!(world.sync(&["--again"]).code, code, "{days} days: {}", world.get("clock.json"));
            });
        }
    });
}

#[test]
fn a_persons_own_word_is_followed_whatever_the_registry_did() {
    let world = World::new(0);
    assert_eq!(world.sync(&[]).code, 0);
    jump(&world, 300_000);
    assert_eq!((world.sync(&[]).code, world.clock().state), (0, State::Ok));
    assert!(world.get("sets").lines().count() > 0);
}
