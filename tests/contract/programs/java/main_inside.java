class Helper {
    Helper(String[] unused) { }
}

class Outer {
    static class Starter {
        public static void main(String[] args) {
            System.out.println(Starter.class.getName() + " " + args.length);
        }
    }
}
