// Loaded into a hub's process (with --expose-gc), so that a test can see what is still held rather than what is not yet
// collected: SIGUSR2 collects.

process.on('SIGUSR2', () => (globalThis as { gc?: () => void }).gc?.())
