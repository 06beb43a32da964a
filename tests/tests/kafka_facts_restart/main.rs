//! What a restart and the passing of time do to a broker's memory of a producer.
//!
//! These tests end brokers, shorten their memory or count on their defaults, so they start their own whatever `KAFKA_BOOTSTRAP` says.

mod defaults;
mod expiry;
mod restart;
mod retention;

use std::sync::OnceLock;

use edgelog_tests::broker::Broker;
use xtask::kafka::Cluster;

/// One broker that forgets producers after three seconds and looks for old segments all the time.
fn forgetful() -> &'static Broker {
    static FORGETFUL: OnceLock<Broker> = OnceLock::new();
    FORGETFUL.get_or_init(|| {
        let builder = Cluster::builder()
            .set("producer.id.expiration.ms", "3000")
            .set("producer.id.expiration.check.interval.ms", "500")
            .set("log.retention.check.interval.ms", "500")
            .set("log.initial.task.delay.ms", "500");
        Broker::start(&builder)
    })
}
