class Animals {
    private final String[] names;

    Animals(String[] names) {
        this.names = names;
    }

    int count() {
        return names.length;
    }
}

class Zoo {
    public static void main(String[] args) {
        System.out.println("Zoo with " + new Animals(new String[] {"ape", "bear"}).count());
    }
}
