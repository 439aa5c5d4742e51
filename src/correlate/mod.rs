//! Alarm life cycle, topology, incidents, timers.
