module pack.part;

enum MORE = 2;
