class Helper { }

class Starter {
    public static void main(String[] args) {
        System.out.println(Starter.class.getName() + args.length);
    }
}
