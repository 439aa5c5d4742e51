//! Rules that several tests give the daemon.

/// Heat is an alarm.
pub(crate) const HOT: &str = r#"
[[alarm_type]]
id = "test-hot"
title = "Too hot"
event_type = "environmental"
probable_cause = "temperatureUnacceptable"
severity = "critical"

[[metric]]
name = "hot"
metric = "temp_c"
alarm_type = "test-hot"
text = "it is {value} degrees"
bands = [{ severity = "major", above = 90, clear_below = 80 }]
"#;
