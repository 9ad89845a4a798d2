package part;

public class Part {
    public static final int VALUE = 2;
}
