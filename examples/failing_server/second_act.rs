//! The second act: the same client against the same server, which now behaves, over a network that does not.
//! First a proxy that breaks real connections, then an experiment that injects faults inside the policies.

use std::time::Duration;

use mmf::chaos::proxy::{Direction, Proxy, Toxic};
use mmf::chaos::{Expectation, ResilienceTestSuite, Scenario};
use mmf::resilience::policy;

use crate::client::Shop;
use crate::server::Server;
use crate::timeline::Timeline;

const CALLS: u32 = 10;

/// Whether the client survived all of it.
pub(crate) async fn play(server: &Server, timeline: Timeline) -> Result<bool, std::io::Error> {
    let proxy = Proxy::start_seeded(server.http, 42).await?;
    let shop = Shop::at(proxy.address());
    let ms = Duration::from_millis;
    let late = Toxic::latency_with_jitter(ms(150), ms(100));
    let mut survived = true;
    for (scene, direction, toxic, toxicity) in [
        ("half of the connections are reset", Direction::Downstream, Toxic::reset_peer(ms(1)), 0.5),
        ("half of the connections fall silent", Direction::Downstream, Toxic::half_open(), 0.5),
        ("half of the answers are cut off", Direction::Downstream, Toxic::limit_data(40), 0.5),
        ("answers come late, by 50 to 250 ms", Direction::Downstream, late, 1.0),
        ("requests trickle in slices", Direction::Upstream, Toxic::slicer(20, 5, ms(2)), 1.0),
    ] {
        timeline.scene(scene);
        let before = counted();
        proxy.add_with_toxicity("toxic", direction, toxic, toxicity);
        survived &= all_arrive(&shop, timeline).await;
        proxy.clear();
        let after = counted();
        timeline.note(&format!(
            "{} retries, {} timeouts; so far {} connections, {} resets",
            after.0 - before.0,
            after.1 - before.1,
            proxy.counts().connections,
            proxy.counts().resets
        ));
    }

    timeline.scene("the network is down for 300 ms");
    proxy.down().await;
    let calls = async { all_arrive(&shop, timeline).await };
    let repair = async {
        tokio::time::sleep(ms(300)).await;
        proxy.up().await
    };
    let (arrived, repaired) = tokio::join!(calls, repair);
    repaired?;
    survived &= arrived;

    timeline.scene("an experiment: faults inside the policies");
    let report = ResilienceTestSuite::new("the catalogue survives")
        .target("shop.catalogue")
        .seed(42)
        .scenario(Scenario::named("network").expect("a name there is"))
        .scenario(Scenario::named("errors").expect("a name there is"))
        .expect(Expectation { recovers_within: Some(ms(1000)), ..Expectation::default() })
        .run(|| async { shop.catalogue().await.map(drop) })
        .await;
    println!("{report}");
    Ok(survived && report.passed)
}

async fn all_arrive(shop: &Shop, timeline: Timeline) -> bool {
    let mut arrived = 0;
    for _ in 0..CALLS {
        arrived += u32::from(shop.catalogue().await.is_ok());
    }
    let verdict = if arrived == CALLS { "ok:" } else { "FAILED:" };
    timeline.note(&format!("{verdict} {arrived} of {CALLS} catalogues arrived"));
    arrived == CALLS
}

/// Retries and timeouts of the catalogue so far.
fn counted() -> (u64, u64) {
    let seen = policy("shop.catalogue").expect("annotated in client.rs").snapshot();
    (seen.retries, seen.timeouts)
}
