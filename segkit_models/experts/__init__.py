"""Networks that judge: sync experts, identity nets, discriminators. Configs name their classes."""
