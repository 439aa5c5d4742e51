//! SNMP notifications (v1 Trap, v2c Trap and Inform) to a borrowed [`Trap`].
