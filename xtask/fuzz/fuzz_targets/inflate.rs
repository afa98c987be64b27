//! Any bytes as a compressed message: never more than the bound comes out, and an error leaves nothing behind.
#![no_main]

use std::sync::LazyLock;

use ws_compression::{CompressionConfig, CompressionManager, Params, PerMessageDeflate, Role};

const LIMIT: usize = 4096;

static SERVER: LazyLock<(CompressionManager, [Params; 2])> = LazyLock::new(|| {
    let config = CompressionConfig::default()
        .with_server_context_takeover(true)
        .with_client_context_takeover(true);
    let manager = CompressionManager::new(config);
    let offers = ["permessage-deflate", "permessage-deflate; client_no_context_takeover"];
    let params = offers.map(|offer| manager.accept_offer([offer]).expect("a sound offer").params);
    (manager, params)
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (manager, params) = &*SERVER;
    for params in params {
        let mut codec: PerMessageDeflate = manager.codec(Role::Server, *params);
        let mut out = b"before".to_vec();
        // Two messages: the second may refer back to the first.
        let half = data.len() / 2;
        for message in [&data[..half], &data[half..]] {
            let start = out.len();
            match codec.decompress(message, LIMIT, &mut out) {
                Ok(()) => assert!(out.len() - start <= LIMIT),
                Err(_) => {
                    assert_eq!(out.len(), start);
                    break;
                }
            }
        }
        assert_eq!(&out[..6], b"before");
    }
});
