//! An input that kills the engine kills it twice and no more.

use crate::support::daemon::{Home, is_active, text};
use crate::support::eventually::PATIENCE;
use crate::support::sender::{device, link_down};

#[test]
fn an_input_that_panics_twice_is_passed_over_and_named() {
    let poison = device(66).to_string();
    let home = Home::new().with_variable("VIGIE_TEST_PANIC_AT_DEVICE", &poison);
    let daemon = home.start();
    link_down(home.traps, 1);
    daemon.quiet_after(1.0);
    link_down(home.traps, 66);
    assert!(!daemon.wait().success(), "the first panic ends it");

    let mut second = home.spawn();
    assert!(!second.wait(PATIENCE).success(), "so does the second, at the same record");
    assert!(second.log().contains("for the second time"), "{}", second.log());

    let daemon = home.start();
    let told = daemon.alarm("vigie-input-skipped", "vigie", is_active);
    let position = text(&told, "qualifier").to_owned();
    assert!(position.parse::<u64>().is_ok_and(|position| position > 1), "{told}");
    let alarms = daemon.list("alarms").expect("the listing");
    let is_of = |number| {
        let device = device(number).to_string();
        alarms.iter().any(|alarm| text(alarm, "resource").starts_with(&device))
    };
    assert!(is_of(1), "what came before is there: {alarms:?}");
    assert!(!is_of(66), "what killed it is not: {alarms:?}");
    link_down(home.traps, 2);
    daemon.alarm("interface-down", &device(2).to_string(), is_active);
    assert!(daemon.terminate().success());

    let replay = home.run(&["replay"]);
    let said = String::from_utf8_lossy(&replay.stdout).into_owned();
    assert!(replay.status.success(), "{said}");
    assert!(said.contains(&format!("digest={}", home.live_digest())), "{said}");
    assert!(said.contains(&format!("passed over: {position}")), "{said}");
    assert!(home.run(&["journal", "verify"]).status.success());
}
