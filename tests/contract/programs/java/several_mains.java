class Demo {
    public static void main(String[] args) {
        System.out.println("Demo");
    }
}

class Main {
    static class Inner {
        public static void main(String[] args) {
            System.out.println("Inner");
        }
    }

    public static void main(String[] args) {
        System.out.println("Main of " + Main.class.getName());
    }
}
