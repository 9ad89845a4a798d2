package a.b;

class Main {
    public static void main(String[] args) {
        System.out.println("not the public one");
    }
}

public class Program {
    public static void main(String[] args) {
        System.out.println(Program.class.getName());
    }
}
