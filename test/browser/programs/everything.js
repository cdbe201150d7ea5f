// All that the package's main entry has for a browser, to weigh it.
export * from 'cosface';
