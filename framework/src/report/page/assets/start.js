const pairs = new Pairs();
startTables((group, a, b) => pairs.show(group, a, b));
if (globalThis.Plot) {
  startCosts();
  startCurves();
  startSearches();
  startUsage();
}
